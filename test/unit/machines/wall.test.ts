import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openWall } from "../../../machines/wall.ts";

const loopback = { hostAddress: "127.0.0.1", guestAddress: "127.0.0.1" };

async function ask(port: number, url: string, method = "GET"): Promise<{ status: number; body: string }> {
  const asking = request({ host: "127.0.0.1", port, path: url, method, agent: false });
  asking.end();
  const [answer] = (await once(asking, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}

async function openTunnel(port: number, authority: string): Promise<{ socket: Socket; answer: string }> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  return { socket, answer: answer.toString() };
}

async function ping(port: number): Promise<string> {
  const socket = createSocket("udp4");
  try {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.send("ping");
    const [answer] = (await once(socket, "message")) as [Buffer];
    return answer.toString();
  } finally {
    socket.close();
  }
}

describe("the wall's proxy", () => {
  let mirror: Server;
  let mirrorPort: number;
  let echo: ReturnType<typeof createTcpServer>;
  let echoPort: number;
  let opened: Awaited<ReturnType<typeof openWall>>;
  let rulesDeleted: number;

  beforeEach(async () => {
    rulesDeleted = 0;
    mirror = createServer((incoming, outgoing) => {
      outgoing.setHeader("x-host", incoming.headers.host ?? "");
      outgoing.end(`${incoming.method ?? ""} ${incoming.url ?? ""}`);
    }).listen(0, "127.0.0.1");
    echo = createTcpServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(
      0,
      "127.0.0.1",
    );
    await Promise.all([once(mirror, "listening"), once(echo, "listening")]);
    mirrorPort = (mirror.address() as AddressInfo).port;
    echoPort = (echo.address() as AddressInfo).port;
    opened = await openWall(
      loopback,
      {
        mirrors: [mirrorPort, echoPort].map((port) => ({ host: "127.0.0.1", port })),
        hosts: ["localhost"],
      },
      () => {
        rulesDeleted++;
        return Promise.resolve();
      },
    );
  });

  afterEach(async () => {
    await opened.dispose();
    mirror.close();
    echo.close();
  });

  it("carries requests to the mirror, many over one connection too", async () => {
    const { port } = opened.wall.proxy;
    expect(await ask(port, `http://127.0.0.1:${mirrorPort}/debian/x?y=1`)).toEqual({
      status: 200,
      body: "GET /debian/x?y=1",
    });
    // As apt does it: several requests before the first answer.
    const socket = connect(port, "127.0.0.1");
    const line = (path: string, last = false) =>
      `GET http://127.0.0.1:${mirrorPort}${path} HTTP/1.1\r\nHost: x\r\n${last ? "Connection: close\r\n" : ""}\r\n`;
    socket.write(line("/1") + line("/2") + line("/3", true));
    const answers = await text(socket);
    expect([...answers.matchAll(/GET \/\d/g)].map(String)).toEqual(["GET /1", "GET /2", "GET /3"]);
    expect(opened.wall.refused).toEqual([]);
  });

  it("refuses hosts that were not named with a sentence, and remembers them", async () => {
    const answer = await ask(opened.wall.proxy.port, "http://api.example.org/v1");
    expect(answer.status).toBe(403);
    expect(answer.body).toBe(
      "api.example.org is neither the Debian mirror nor named in site.yaml; a drill reaches no other host.\n",
    );
    const { answer: connectAnswer, socket } = await openTunnel(opened.wall.proxy.port, "api.example.org:443");
    socket.destroy();
    expect(connectAnswer).toMatch(/^HTTP\/1.1 403 /);
    expect(opened.wall.refused.map(({ host }) => host)).toEqual(["api.example.org", "api.example.org"]);
  });

  it("refuses an admitted name that leads to the operator's own computer", async () => {
    const answer = await ask(opened.wall.proxy.port, "http://localhost/");
    expect(answer.status).toBe(403);
    expect(answer.body).toMatch(/not on the public network/);
  });

  it("answers 502 when the mirror does not answer", async () => {
    mirror.close();
    await once(mirror, "close");
    const answer = await ask(opened.wall.proxy.port, `http://127.0.0.1:${mirrorPort}/`);
    expect(answer.status).toBe(502);
  });

  it("answers datagrams while it is open", async () => {
    expect(await ping(opened.wall.proxy.port)).toBe("pong");
  });

  it("serves nobody but its machine", async () => {
    await opened.dispose();
    opened = await openWall(
      { ...loopback, guestAddress: "127.0.0.2" },
      { mirrors: [{ host: "127.0.0.1", port: mirrorPort }], hosts: [] },
      () => Promise.resolve(),
    );
    await expect(ask(opened.wall.proxy.port, `http://127.0.0.1:${mirrorPort}/`)).rejects.toThrow();
  });

  it.each(["from inside", "by the operator"])(
    "closes for good %s, cutting tunnels and deleting its rule once",
    async (by) => {
      const { wall } = opened;
      const { socket, answer } = await openTunnel(wall.proxy.port, `127.0.0.1:${echoPort}`);
      expect(answer).toMatch(/^HTTP\/1.1 200 /);
      socket.on("error", () => undefined);
      socket.write("hello");
      const [echoed] = (await once(socket, "data")) as [Buffer];
      expect(echoed.toString()).toBe("hello");
      const cut = once(socket, "close");

      if (by === "from inside") {
        expect(await ask(wall.proxy.port, "/close-egress", "POST")).toEqual({
          status: 200,
          body: "egress is closed\n",
        });
      }
      await wall.close();
      await wall.close();
      await cut;
      expect(wall.open).toBe(false);
      expect(rulesDeleted).toBe(1);
      await expect(ask(wall.proxy.port, `http://127.0.0.1:${mirrorPort}/`)).rejects.toThrow("ECONNREFUSED");
      await expect(ping(wall.proxy.port)).rejects.toThrow("ECONNREFUSED");
    },
  );

  it("is closed by nothing but POST", async () => {
    expect((await ask(opened.wall.proxy.port, "/close-egress")).status).toBe(400);
    expect(opened.wall.open).toBe(true);
  });

  it("says so when its rule cannot be deleted, though its machine asked for it", async () => {
    await opened.dispose();
    opened = await openWall(loopback, { mirrors: [], hosts: [] }, () => Promise.reject(new Error("busy")));
    expect((await ask(opened.wall.proxy.port, "/close-egress", "POST")).status).toBe(200);
    await expect(opened.wall.close()).rejects.toMatchObject({ exitCode: 1 });
  });
});

describe("the wall's canary", () => {
  it("tells who reached it, over TCP and UDP, IPv4 and IPv6", async () => {
    const opened = await openWall(loopback, { mirrors: [], hosts: [] }, () => Promise.resolve());
    const { wall } = opened;
    try {
      for (const host of ["127.0.0.1", "::1"]) {
        const socket = connect(wall.canary.port, host);
        await once(socket, "close");
        const datagram = createSocket(host === "::1" ? "udp6" : "udp4");
        await new Promise((resolve) => {
          datagram.send("x", wall.canary.port, host, resolve);
        });
        datagram.close();
      }
      await expect.poll(() => wall.canary.touched.length).toBe(4);
      expect(wall.canary.touched).toEqual(
        expect.arrayContaining([
          { from: "127.0.0.1", protocol: "tcp" },
          { from: "127.0.0.1", protocol: "udp" },
          { from: "::1", protocol: "tcp" },
          { from: "::1", protocol: "udp" },
        ]),
      );
    } finally {
      await opened.dispose();
    }
  });
});
