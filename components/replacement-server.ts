import * as pulumi from "@pulumi/pulumi";

export interface ReplacementServerArgs {
  /** Address of a host that exists: a server rented by hand, or a drill's machine. */
  address: string;
  /** Port of its sshd. */
  port: number;
  /** The user that logs in. */
  user: string;
  /** Its public host key, `ssh-ed25519 AAAA…`: the host is known by it and by nothing else. */
  hostKey: string;
}

/** The server that takes the lost one's place. */
export class ReplacementServer extends pulumi.ComponentResource {
  readonly address: pulumi.Output<string>;
  readonly port: pulumi.Output<number>;
  readonly user: pulumi.Output<string>;
  readonly hostKey: pulumi.Output<string>;

  constructor(name: string, args: ReplacementServerArgs, options?: pulumi.ComponentResourceOptions) {
    super("recovery-stack:index:ReplacementServer", name, {}, options);
    this.address = pulumi.output(args.address);
    this.port = pulumi.output(args.port);
    this.user = pulumi.output(args.user);
    this.hostKey = pulumi.output(args.hostKey);
    this.registerOutputs({
      address: this.address,
      port: this.port,
      user: this.user,
      hostKey: this.hostKey,
    });
  }
}
