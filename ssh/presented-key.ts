import ssh2 from "ssh2";
import * as failure from "./failure.ts";
import { hostKeyTypes } from "./host-key.ts";

/**
 * The public key that a host presents, `ssh-ed25519 AAAA…`, before anybody logs in. Whoever answers presents one: it is to be
 * compared with what the host's console says, and believed for nothing else. Throws OperatorError (failed).
 */
export async function presentedKey(
  { address, port }: { address: string; port: number },
  signal?: AbortSignal,
): Promise<string> {
  const host = `${address}:${port}`;
  const timeoutSeconds = 15;
  const client = new ssh2.Client();
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(failure.noAnswer(host, "connect", timeoutSeconds));
    }, timeoutSeconds * 1000);
    const onAbort = () => {
      reject(failure.interrupted(host, "while it was asked for its key"));
    };
    signal?.addEventListener("abort", onAbort);
    client.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(failure.unreachable(host, error));
    });
    client.connect({
      host: address,
      port,
      username: "root",
      readyTimeout: 0,
      algorithms: { serverHostKey: hostKeyTypes() },
      hostVerifier: (shown: Buffer) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        // The blob begins with the type behind its length (RFC 4253, section 6.6).
        const type = shown.subarray(4, 4 + shown.readUInt32BE(0)).toString("latin1");
        resolve(`${type} ${shown.toString("base64")}`);
        return false;
      },
    });
  }).finally(() => {
    client.destroy();
  });
}
