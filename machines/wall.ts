import { OperatorError, exitCodes } from "../site/operator-error.ts";
import type { Admission } from "./admission.ts";
import { openCanary, type Canary } from "./canary.ts";
import { openProxy, type Refused } from "./proxy.ts";

/**
 * What stands between a machine and everything else: rules that admit the proxy's port alone, the proxy behind it, and
 * a canary that tells whether anything got past. The rules are in place before the machine is started.
 */
export interface Wall {
  proxy: { address: string; port: number };
  canary: Pick<Canary, "port" | "touched">;
  /** Requests of the machine that the proxy turned away. */
  refused: readonly Refused[];
  /** Whether the machine still has its way out. */
  readonly open: boolean;
  /**
   * Closes the way out for good: proxy stopped, its connections cut, the rule that admitted it deleted. The same as the
   * machine's own `POST /close-egress`; resolves when it is done, whoever asked first.
   * @throws OperatorError exit code 1 when the rule could not be deleted
   */
  close(): Promise<void>;
}

/** Opens proxy and canary. `deleteRule` deletes the rule that admits the proxy. */
export async function openWall(
  place: { hostAddress: string; guestAddress: string },
  admission: Admission,
  deleteRule: () => Promise<void>,
): Promise<{ wall: Wall; dispose(): Promise<void> }> {
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      await proxy.close();
      try {
        await deleteRule();
      } catch (error) {
        throw new OperatorError(
          exitCodes.failed,
          "the machine's way out could not be closed",
          `the firewall rule that admits its proxy is still there: ${error instanceof Error ? error.message : String(error)}`,
          "nothing was restored; run the drill again",
          { cause: error },
        );
      }
    })();
    return closing;
  };
  const proxy = await openProxy(place, admission, () => {
    // Whoever calls close() later gets the same outcome, the error too.
    close().catch(() => undefined);
  });
  const canary = await openCanary();
  const wall: Wall = {
    proxy: { address: place.hostAddress, port: proxy.port },
    canary,
    refused: proxy.refused,
    get open() {
      return closing === undefined;
    },
    close,
  };
  return {
    wall,
    async dispose() {
      await Promise.all([proxy.close(), canary.close()]);
    },
  };
}
