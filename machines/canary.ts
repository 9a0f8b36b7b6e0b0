import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server } from "node:net";

/** Somebody who reached the canary. */
interface Touch {
  /** The address it came from. */
  from: string;
  protocol: "tcp" | "udp";
}

/** A listener on all addresses of the operator's computer that nothing inside a machine must ever reach. */
export interface Canary {
  port: number;
  touched: readonly Touch[];
  close(): Promise<void>;
}

const sameNumberAttempts = 20;

/** Listens for TCP and UDP on one port of every IPv4 and IPv6 address. */
export async function openCanary(): Promise<Canary> {
  const touched: Touch[] = [];
  for (let attempt = 1; ; attempt++) {
    const servers: Server[] = [];
    const sockets: UdpSocket[] = [];
    const close = async () => {
      for (const socket of sockets) socket.close();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    };
    try {
      let port = 0;
      for (const host of ["0.0.0.0", "::"]) {
        const server = createServer((connection) => {
          touched.push({ from: plain(connection.remoteAddress ?? ""), protocol: "tcp" });
          connection.destroy();
        });
        const socket = createSocket(host === "::" ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
        socket.on("message", (_message, from) => {
          touched.push({ from: plain(from.address), protocol: "udp" });
        });
        try {
          server.listen({ host, port, ipv6Only: true });
          await once(server, "listening");
          servers.push(server);
          port = (server.address() as AddressInfo).port;
          socket.bind(port, host);
          await once(socket, "listening");
          sockets.push(socket);
          server.on("error", () => undefined);
          socket.on("error", () => undefined);
        } catch (error) {
          const code = (error as NodeJS.ErrnoException).code;
          // A computer without IPv6 has nothing there that could be reached.
          if (host !== "::" || code === "EADDRINUSE") throw error;
        }
      }
      return { port, touched, close };
    } catch (error) {
      await close();
      if (attempt === sameNumberAttempts) throw error;
    }
  }
}

function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
}
