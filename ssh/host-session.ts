import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { connect, type SshConnection, type SshTarget } from "./connection.ts";
import { packHostFolder } from "./host-folder.ts";
import { startRelay, type Relay, type RelayedFolders } from "./relay.ts";

/** Who has the host; what a second operator is told. */
export interface RunIdentity {
  id: string;
  who: string;
  why: string;
}

export interface HostSessionOptions {
  target: SshTarget;
  run: RunIdentity;
  /** Read when the host is opened, not before; by name. */
  secrets: () => Promise<Record<string, string>>;
  /** What steps fetch through the relay. On the host each folder is a remote of rclone of that name. */
  relayedFolders: RelayedFolders;
  say: (line: string) => void;
}

const installed = "/usr/local/lib/recovery";
/** A blank host asks its mirror for jq, rclone and openssl, and may first have to wait until it is set up. */
const openLimitSeconds = 420;

/**
 * The session that opens a host for one run: it checks the pinned host key, delivers host/, takes the host's lock and places
 * the secrets where no disk keeps them. It stays, as the sign that the run's owner lives, until it is closed or the process
 * ends; it does not keep the process from ending. Everything in it is bounded.
 */
export class HostSession {
  readonly #options: HostSessionOptions;
  #opened: Promise<SshConnection> | undefined;
  #relay: Promise<{ relay: Relay; close: () => Promise<void> }> | undefined;
  #relayUsers = 0;
  /** Why the host could not be opened. An engine that asks for it hands on no more than its text. */
  refusal: OperatorError | undefined;
  readonly #closing = new AbortController();

  constructor(options: HostSessionOptions) {
    this.#options = options;
  }

  /** Opens the host once, however many steps ask. Throws OperatorError; code 4 when another run has the host. */
  async open(): Promise<SshConnection> {
    this.#opened ??= this.#dial().catch((error: unknown) => {
      if (error instanceof OperatorError) this.refusal = error;
      throw error;
    });
    return this.#opened;
  }

  /** Makes the relayed files reachable on the host, for as long as one user has not closed it again. */
  async openRelay(): Promise<void> {
    this.#relayUsers += 1;
    this.#relay ??= this.#startRelay();
    await this.#relay;
  }

  /** Once nobody uses it any more the relay ends: before restored code runs there is no way from it to this computer. */
  async closeRelay(): Promise<void> {
    this.#relayUsers -= 1;
    if (this.#relayUsers > 0 || !this.#relay) return;
    const { close } = await this.#relay;
    this.#relay = undefined;
    await close();
  }

  /** Also ends an opening that is under way. Throws nothing: who opened was told. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#opened?.then(
      (connection) => connection.close(),
      () => undefined,
    );
    await this.#relay?.then(
      ({ close }) => close(),
      () => undefined,
    );
  }

  async #dial(): Promise<SshConnection> {
    const { target, run, say } = this.#options;
    const { signal } = this.#closing;
    // What is missing on this computer is said before a host is touched.
    const secrets = await this.#options.secrets();
    const connection = await connect(target, { signal });
    const onClosing = () => void connection.close();
    signal.addEventListener("abort", onClosing);
    try {
      const { digest, tar } = await packHostFolder();
      const delivered = await connection.run(deliverAndSeed(digest), {
        stdin: tar,
        timeoutSeconds: openLimitSeconds,
      });
      if (delivered.exitCode !== 0) {
        throw new OperatorError(
          exitCodes.failed,
          `the host ${target.address} could not be made ready`,
          lastLine(delivered.stderr) || `the delivery ended with ${delivered.exitCode}`,
          "check that the host runs Debian, has free disk, and reaches its package mirror; then run again",
        );
      }
      if (delivered.stdout.trim() !== "") say(`${target.address}: ${delivered.stdout.trim()}`);
      await connection.hold(
        `${installed}/${digest}/open`,
        `${JSON.stringify({ run, secrets, hold: true })}\n`,
        30,
      );
      const switched = await connection.run(switchTo(digest), { timeoutSeconds: 30 });
      if (switched.exitCode !== 0)
        throw new Error(`host/ could not be put in place: ${lastLine(switched.stderr)}`);
      connection.unref();
      void connection.closed.then(() => {
        if (!signal.aborted) say(`the connection to ${target.address} was lost; what runs there goes on`);
      });
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    } finally {
      signal.removeEventListener("abort", onClosing);
    }
  }

  async #startRelay(): Promise<{ relay: Relay; close: () => Promise<void> }> {
    const connection = await this.open();
    const relay = await startRelay(this.#options.relayedFolders);
    try {
      const forward = await connection.reverseForward("127.0.0.1", relay.port);
      const port = String(forward.remotePort);
      const secrets = {
        // rclone's own form of a remote; the host reads it from a file that only root can.
        "rclone.conf": Object.keys(this.#options.relayedFolders)
          .map(
            (name) =>
              `[${name}]\ntype = http\nurl = http://${relay.user}:${relay.password}@127.0.0.1:${port}/${name}/\n`,
          )
          .join(""),
        "relay-password": relay.password,
        "relay-port": port,
      };
      const placed = await connection.run(`${installed}/current/open`, {
        stdin: `${JSON.stringify({ run: this.#options.run, secrets, hold: false })}\n`,
        timeoutSeconds: 30,
      });
      if (placed.exitCode !== 0)
        throw new Error(`the relay's address could not be placed: ${lastLine(placed.stderr)}`);
      return {
        relay,
        close: async () => {
          await forward.close();
          await relay.close();
        },
      };
    } catch (error) {
      await relay.close();
      throw error;
    }
  }
}

/** A running script is never overwritten: each release has a folder of its own. */
function deliverAndSeed(digest: string): string {
  return [
    "set -e",
    "umask 022",
    `mkdir -p ${installed}`,
    `cd ${installed}`,
    `if [ -x ${digest}/open ]; then cat >/dev/null; else t=$(mktemp -d .new.XXXXXX); tar -x -C "$t" --no-same-owner; chmod 755 "$t"; mv -T "$t" ${digest} 2>/dev/null || rm -rf "$t"; fi`,
    `exec ${digest}/seed jq rclone openssl`,
  ].join("; ");
}

/** Only once the host is ours: another run's next step must not meet this release. */
function switchTo(digest: string): string {
  return [
    "set -e",
    `cd ${installed}`,
    `ln -sfn ${digest} .current`,
    "mv -T .current current",
    "ln -sfn current/run-step .run-step",
    "mv -T .run-step run-step",
  ].join("; ");
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
