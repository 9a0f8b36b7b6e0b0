/** A server as site.yaml describes it. */
export const replacement = {
  ...{ kind: "aws", region: "eu-central-1", zone: "eu-central-1b" },
  image: { id: "ami-0123456789abcdef0", release: "12" },
  instance: { type: "t3.small", cores: 2, memory: "2GiB" },
  operators: ["203.0.113.7/32", "2001:db8::7/128"],
  key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS anna",
};
