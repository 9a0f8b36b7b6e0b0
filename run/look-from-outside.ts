import { lookup } from "node:dns/promises";
import { request } from "node:https";
import net from "node:net";
import { TLSSocket } from "node:tls";
import { execa } from "execa";
import type { Facts, PageFacts, PortState } from "../damage/facts.ts";
import type { Site } from "../site/schema.ts";

/** What of a page is read; an error of PHP stands at its beginning or where it broke off. */
const mostBytes = 1024 ** 2;
const nameSeconds = 5;
const portSeconds = 5;
const pageSeconds = 10;

/** How this computer resolves a name, /etc/hosts included: what its browser would do. */
export async function lookAtName(name: string): Promise<Facts["names"][number]> {
  const reasons: Record<string, string> = { ENOTFOUND: "not known to DNS", EAI_AGAIN: "DNS does not answer" };
  try {
    const found = await within(nameSeconds, lookup(name, { all: true }));
    if (found === undefined) return { name, addresses: [], error: `no answer within ${nameSeconds} s` };
    return { name, addresses: found.map(({ address }) => address), error: null };
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    return { name, addresses: [], error: reasons[code] ?? message };
  }
}

/** The system's ping; where there is none, the ports alone tell. */
export async function ping(address: string): Promise<Facts["server"]["ping"]> {
  const { exitCode, code } = await execa("ping", ["-n", "-c", "2", "-i", "0.3", "-W", "2", "--", address], {
    reject: false,
    timeout: 6000,
    stdin: "ignore",
  });
  if (code === "ENOENT" || exitCode === 2) return "not-tried";
  return exitCode === 0 ? "answers" : "silent";
}

export async function lookAtPort(address: string, port: number): Promise<{ port: number; state: PortState }> {
  const state = await new Promise<PortState>((resolve) => {
    const socket = net.connect({ host: address, port, timeout: portSeconds * 1000 });
    socket
      .on("connect", () => {
        resolve("open");
        socket.destroy();
      })
      .on("timeout", () => {
        resolve("silent");
        socket.destroy();
      })
      .on("error", ({ code }: NodeJS.ErrnoException) => {
        resolve(code === "ECONNREFUSED" ? "refused" : "unreachable");
      });
  });
  return { port, state };
}

/** What the front page must be, as far as site.yaml says it. Other checks are asked on the host: outside, some are refused. */
function frontPage(site: Site): { status: number | null; text: string | undefined } {
  const [check] = site.checks.flatMap((one) =>
    one.kind === "http" && one.path === "/" && one.method === "GET" && one.bearer === undefined ? [one] : [],
  );
  return { status: check?.status ?? null, text: check?.text };
}

interface Seen {
  page: PageFacts;
  certificate?: NonNullable<Facts["certificate"]>;
}

/** Asks the server at `address` for the domain's front page, whatever DNS says, and looks at the certificate that it shows. */
export async function lookAtFrontPage(site: Site, address: string): Promise<Seen> {
  const { status: expectedStatus, text } = frontPage(site);
  const page: PageFacts = { expectedStatus, status: null, error: null, phpError: null, lacks: null };
  return new Promise((resolve) => {
    let certificate: Seen["certificate"];
    const end = (facts: Partial<PageFacts>) => {
      clearTimeout(timer);
      resolve({ page: { ...page, ...facts }, ...(certificate ? { certificate } : {}) });
      asked.destroy();
    };
    const asked = request({
      host: address,
      port: 443,
      path: "/",
      servername: site.domain,
      headers: { host: site.domain, "user-agent": "recovery-assess", connection: "close" },
      // A page behind a bad certificate is told as what it is; the certificate is a finding of its own.
      rejectUnauthorized: false,
      agent: false,
    });
    const timer = setTimeout(() => {
      end({ error: `no answer within ${pageSeconds} s` });
    }, pageSeconds * 1000);
    asked.on("socket", (socket) => {
      socket.on("secureConnect", () => {
        if (socket instanceof TLSSocket) certificate = certificateOf(socket);
      });
    });
    asked.on("error", (error) => {
      end({ error: error.message });
    });
    asked.on("response", (response) => {
      let body = "";
      const read = () => {
        end({
          status: response.statusCode ?? null,
          phpError: phpError(body),
          lacks: text === undefined || body.includes(text) ? null : text,
        });
      };
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > mostBytes) read();
      });
      response.on("end", read);
      response.on("error", (error) => {
        end({ error: `broke off: ${error.message}` });
      });
    });
    asked.end();
  });
}

function certificateOf(socket: TLSSocket): NonNullable<Facts["certificate"]> {
  const until = Date.parse(socket.getPeerCertificate().valid_to);
  // At run time it is an Error or its code; the types say Error.
  const reason = socket.authorizationError as Error | string | undefined;
  return {
    error: socket.authorized ? null : reason instanceof Error ? reason.message : (reason ?? "not trusted"),
    daysLeft: Math.floor((until - Date.now()) / 86_400_000),
  };
}

/** As PHP prints it, with its place in the program: a page may say "Notice: we are closed on Monday". Like host/check. */
function phpError(body: string): string | null {
  const [found] =
    /(?:Fatal error|Parse error|Warning|Notice|Deprecated)(?:<\/b>)?: .{1,300} on line (?:<b>)?\d+/.exec(
      body,
    ) ?? [];
  return found?.slice(0, 200) ?? null;
}

/** What a promise gives, or undefined when that takes too long. */
async function within<Result>(seconds: number, promise: Promise<Result>): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined);
    }, seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => {
    clearTimeout(timer);
  });
}
