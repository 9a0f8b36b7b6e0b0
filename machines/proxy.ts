import { createSocket, type Socket as UdpSocket } from "node:dgram";
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type LookupFunction, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  refusalByAddress,
  refusalByName,
  targetOfConnect,
  targetOfRequest,
  type Admission,
  type Target,
} from "./admission.ts";

/** A request that the proxy turned away: the host asked for, and when (UTC, ISO 8601). */
export interface Refused {
  host: string;
  at: string;
}

/** The only way out of a machine, until it is closed for good. */
export interface Proxy {
  port: number;
  /** Every request turned away, in order. */
  refused: readonly Refused[];
  /** Stops it for good: nothing listens any more and every connection through it is cut. May be repeated. */
  close(): Promise<void>;
}

const connectTimeoutMilliseconds = 20_000;
const addressesKeptMilliseconds = 60_000;
const farewellMilliseconds = 1000;
const sameNumberAttempts = 20;
// RFC 9110, 7.6.1: meant for the next hop only.
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

class RefusedTarget extends Error {}

/**
 * Opens the proxy of one machine on this computer's end of its cable: HTTP requests and CONNECT over TCP, and `pong` to
 * any datagram on the same port (the positive control of a probe for UDP). It serves nobody but that machine.
 * `closedFromInside` is called once the machine's own `POST /close-egress` has been carried out and answered.
 */
export async function openProxy(
  place: { hostAddress: string; guestAddress: string },
  admission: Admission,
  closedFromInside: () => void,
): Promise<Proxy> {
  const refused: Refused[] = [];
  const connections = new Set<Socket | Duplex>();
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  let closing: Promise<void> | undefined;

  const track = (socket: Socket | Duplex) => {
    if (connections.has(socket)) return; // the agent gives a connection out again
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    socket.on("error", () => socket.destroy());
  };

  // A hundred packages are a hundred requests to one host: a look-up for each costs seconds as soon as one answer is lost.
  const looks = new Map<string, { at: number; addresses: Promise<LookupAddress[]> }>();
  const look = (host: string): Promise<LookupAddress[]> => {
    const known = looks.get(host);
    if (known && performance.now() - known.at < addressesKeptMilliseconds) return known.addresses;
    const addresses = lookup(host, { all: true });
    looks.set(host, { at: performance.now(), addresses });
    addresses.catch(() => looks.delete(host));
    return addresses;
  };

  /** The addresses of a target, each of them admitted. */
  const resolve = async (target: Target): Promise<LookupFunction> => {
    const byName = refusalByName(target, admission);
    if (byName !== undefined) throw new RefusedTarget(byName);
    const addresses = await look(target.host);
    const own = ownAddresses();
    for (const { address } of addresses) {
      const byAddress = refusalByAddress(target, address, own, admission);
      if (byAddress !== undefined) throw new RefusedTarget(byAddress);
    }
    // Connects to what was checked: a second look-up could answer otherwise.
    return (_host, options, done) => {
      const [first] = addresses;
      if (options.all) done(null, addresses);
      else done(null, first?.address ?? "", first?.family);
    };
  };

  const answerError = (error: unknown, host: string): { status: number; sentence: string } => {
    if (error instanceof RefusedTarget) {
      refused.push({ host, at: new Date().toISOString() });
      return { status: 403, sentence: error.message };
    }
    const reason = error instanceof Error ? error.message : String(error);
    return { status: 502, sentence: `${host} cannot be reached from the operator's computer: ${reason}.` };
  };

  const forward = async (incoming: IncomingMessage, outgoing: ServerResponse, target: Target) => {
    const headers = forwardable(incoming.headers);
    const { pathname, search } = new URL(incoming.url ?? "");
    const upstream = request({
      agent,
      host: target.host,
      port: target.port,
      lookup: await resolve(target),
      method: incoming.method,
      path: pathname + search,
      headers: {
        ...headers,
        host: target.port === 80 ? hostHeader(target) : `${hostHeader(target)}:${target.port}`,
      },
    });
    upstream.setTimeout(connectTimeoutMilliseconds * 3, () =>
      upstream.destroy(new Error("it does not answer")),
    );
    upstream.once("socket", track);
    outgoing.once("close", () => upstream.destroy());
    const answered = once(upstream, "response") as Promise<[IncomingMessage]>;
    const sent = pipeline(incoming, upstream);
    sent.catch(() => undefined); // `answered` carries the same error
    const [response] = await answered;
    outgoing.writeHead(response.statusCode ?? 502, forwardable(response.headers));
    await pipeline(response, outgoing);
  };

  const server = createServer((incoming, outgoing) => {
    const url = incoming.url ?? "";
    if (incoming.method === "POST" && isCloseEgress(url, place.hostAddress)) {
      const last = incoming.socket;
      void stop(last);
      outgoing.writeHead(200, { "content-type": "text/plain", connection: "close" });
      outgoing.end("egress is closed\n");
      // The answer has to arrive before the rule that lets its acknowledgements in is deleted.
      const timer = setTimeout(() => last.destroy(), farewellMilliseconds);
      last.once("close", () => {
        clearTimeout(timer);
        closedFromInside();
      });
      return;
    }
    const target = targetOfRequest(url);
    if (target === undefined) {
      answerPlainly(outgoing, 400, "This is a proxy: it takes absolute requests and CONNECT.");
      return;
    }
    forward(incoming, outgoing, target).catch((error: unknown) => {
      if (outgoing.headersSent) {
        outgoing.destroy();
        return;
      }
      const { status, sentence } = answerError(error, target.host);
      answerPlainly(outgoing, status, sentence);
    });
  });

  server.on("connection", (socket: Socket) => {
    if (socket.remoteAddress === place.guestAddress) track(socket);
    else socket.destroy();
  });

  server.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const refuse = (status: number, reason: string, sentence: string) =>
      client.end(
        `HTTP/1.1 ${status} ${reason}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${sentence}\n`,
      );
    const target = targetOfConnect(incoming.url ?? "");
    if (target === undefined) {
      refuse(400, "Bad Request", "CONNECT takes host:port.");
      return;
    }
    let established = false;
    const tunnel = async () => {
      const remote = connect({
        host: target.host,
        port: target.port,
        lookup: await resolve(target),
        timeout: connectTimeoutMilliseconds,
      });
      track(remote);
      remote.once("timeout", () => remote.destroy(new Error("it does not answer")));
      await once(remote, "connect");
      remote.setTimeout(0);
      if (closing) throw new Error("egress is closed");
      established = true;
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) remote.write(head);
      await Promise.all([pipeline(client, remote), pipeline(remote, client)]);
    };
    tunnel().catch((error: unknown) => {
      if (established || client.destroyed) {
        client.destroy();
        return;
      }
      const { status, sentence } = answerError(error, target.host);
      refuse(status, status === 403 ? "Forbidden" : "Bad Gateway", sentence);
    });
  });

  const { port, udp } = await listenOnOneNumber(server, place.hostAddress);
  udp.on("message", (_message, from) => {
    if (from.address === place.guestAddress) udp.send("pong", from.port, from.address);
  });
  udp.on("error", () => undefined);

  const stop = (spared?: Socket): Promise<void> => {
    closing ??= (async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      udp.close();
      for (const socket of connections) if (socket !== spared) socket.destroy();
      agent.destroy();
      await closed;
    })();
    return closing;
  };

  return { port, refused, close: () => stop() };
}

/** Every address of this computer but those that mean "myself" to any computer. */
export function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => address);
}

function isCloseEgress(url: string, hostAddress: string): boolean {
  if (url === "/close-egress") return true;
  if (!URL.canParse(url)) return false;
  const { hostname, pathname } = new URL(url);
  return hostname === hostAddress && pathname === "/close-egress";
}

function hostHeader({ host }: Target): string {
  return host.includes(":") ? `[${host}]` : host;
}

function forwardable(headers: IncomingMessage["headers"]): Record<string, string | string[]> {
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  return Object.fromEntries(
    Object.entries(headers).filter(
      (header): header is [string, string | string[]] =>
        header[1] !== undefined && !hopByHop.includes(header[0]) && !named.includes(header[0]),
    ),
  );
}

function answerPlainly(outgoing: ServerResponse, status: number, sentence: string): void {
  outgoing.writeHead(status, { "content-type": "text/plain" });
  outgoing.end(`${sentence}\n`);
}

/** TCP and UDP on the same number, which the system gives for one protocol only. */
async function listenOnOneNumber(
  server: ReturnType<typeof createServer>,
  address: string,
): Promise<{ port: number; udp: UdpSocket }> {
  for (let attempt = 1; ; attempt++) {
    server.listen(0, address);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const udp = createSocket("udp4");
    try {
      udp.bind(port, address);
      await once(udp, "listening");
      return { port, udp };
    } catch (error) {
      udp.close();
      server.close();
      await once(server, "close");
      if (attempt === sameNumberAttempts) throw error;
    }
  }
}
