import { createSocket } from "node:dgram";
import { once } from "node:events";

/** A DNS server on this computer's loopback that leads every name to one IPv4 address. */
export interface NameServer {
  /** ADDRESS:PORT. */
  server: string;
  lead(address: string): void;
  close(): void;
}

const typeA = 1;
const timeToLiveSeconds = 60;

export async function nameServer(first: string): Promise<NameServer> {
  let address = first;
  const socket = createSocket("udp4");
  socket.on("message", (query, from) => {
    // RFC 1035, section 4: a header of 12 bytes, then the question: a name, its type, its class.
    const end = query.indexOf(0, 12) + 5;
    const answers = query.readUInt16BE(end - 4) === typeA ? 1 : 0;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8400, 2); // an answer, with authority
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers, 6);
    header.writeUInt32BE(0, 8);
    const record = Buffer.from([
      0xc0,
      12,
      0,
      typeA,
      0,
      1,
      0,
      0,
      0,
      timeToLiveSeconds,
      0,
      4,
      ...address.split(".").map(Number),
    ]);
    socket.send(
      [header, query.subarray(12, end), ...(answers === 1 ? [record] : [])],
      from.port,
      from.address,
    );
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    server: `127.0.0.1:${socket.address().port}`,
    lead: (to) => (address = to),
    close: () => socket.close(),
  };
}
