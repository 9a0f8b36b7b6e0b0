import net, { type AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import ssh2, { type ParsedKey, type ServerChannel } from "ssh2";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exitCodes, type OperatorError } from "../../../site/operator-error.ts";
import { connect, type SshTarget } from "../../../ssh/connection.ts";
import { newKeyPair } from "./key-pair.ts";

/** What a server does that a real sshd cannot be brought to do at will. */
interface Misbehaviour {
  onExec?: (channel: ServerChannel, command: string, connection: ssh2.Connection) => void;
  onSignal?: (name: string) => void;
  refuseExec?: boolean;
  refuseForward?: boolean;
}

let misbehaviour: Misbehaviour;
let target: SshTarget;
let close: () => void;

beforeEach(async () => {
  misbehaviour = {};
  const folder = mkdtempSync(join(tmpdir(), "recovery-test-ssh-"));
  const host = newKeyPair();
  const login = ssh2.utils.parseKey(newKeyPair().private) as ParsedKey;
  const agent = net.createServer((socket) => {
    const protocol = new ssh2.AgentProtocol(false);
    protocol.on("identities", (request) => {
      protocol.getIdentitiesReply(request, [login]);
    });
    protocol.on("sign", (request, _key, data) => {
      protocol.signReply(request, login.sign(data));
    });
    socket.on("error", () => undefined);
    socket.pipe(protocol).pipe(socket);
  });
  agent.listen(join(folder, "agent"));
  const server = new ssh2.Server({ hostKeys: [host.private] }, (connection) => {
    connection.on("error", () => undefined);
    connection.on("authentication", (context) => {
      context.accept();
    });
    connection.on("request", (accept, reject, name) => {
      if (name === "tcpip-forward" && misbehaviour.refuseForward !== true) accept?.(4242);
      else reject?.();
    });
    connection.on("session", (acceptSession) => {
      const session = acceptSession();
      session.on("signal", (_accept, _reject, info) => misbehaviour.onSignal?.(info.name));
      session.on("exec", (accept, reject, info) => {
        if (misbehaviour.refuseExec === true) reject();
        else misbehaviour.onExec?.(accept(), info.command, connection);
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise<void>((resolve) => server.once("listening", resolve));
  target = {
    address: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    user: "root",
    hostKey: host.public,
    agentSocketPath: join(folder, "agent"),
  };
  close = () => {
    server.close();
    agent.close();
    rmSync(folder, { recursive: true, force: true });
  };
});

afterEach(() => {
  close();
});

test("a command that exceeds its time is told to end", async () => {
  // ssh2's server hears nothing more of a session whose input has ended; sshd does.
  const told = new Promise<string>((resolve) => (misbehaviour.onSignal = resolve));
  misbehaviour.onExec = (channel) => channel.resume();
  const connection = await connect(target);
  const error = await failure(connection.run("restore", { stdin: new PassThrough(), timeoutSeconds: 0.2 }));
  expect(error).toMatchObject({
    exitCode: exitCodes.failed,
    what: `'restore' on 127.0.0.1:${target.port} took too long.`,
  });
  expect(await told).toBe("TERM");
  await connection.close();
});

test("a server that never opens the session is bounded by the command's time", async () => {
  misbehaviour.onExec = () => undefined;
  const connection = await connect(target);
  expect((await failure(connection.run("restore", { timeoutSeconds: 0.2 }))).what).toContain("took too long");
  await connection.close();
});

test("a command whose end is not told is no success", async () => {
  misbehaviour.onExec = (channel) => {
    channel.end("half a line");
  };
  const connection = await connect(target);
  expect((await failure(connection.run("restore", { timeoutSeconds: 5 }))).why).toBe(
    "The host closed the channel without telling how the command ended.",
  );
  await connection.close();
});

test("a connection that ends while a command runs is lost, not a success", async () => {
  misbehaviour.onExec = (_channel, _command, connection) => connection.end();
  const connection = await connect(target);
  const error = await failure(connection.run("restore", { timeoutSeconds: 5 }));
  expect(error.what).toBe(`The connection to 127.0.0.1:${target.port} was lost while 'restore' ran.`);
  await connection.closed;
});

test("a server that refuses commands or forwarding says so", async () => {
  misbehaviour = { refuseExec: true, refuseForward: true };
  const connection = await connect(target);
  expect((await failure(connection.run("restore", { timeoutSeconds: 5 }))).what).toContain(
    "did not start 'restore'",
  );
  expect((await failure(connection.reverseForward("127.0.0.1", 1))).why).toContain("AllowTcpForwarding");
  await connection.close();
});

test("a dial that is cancelled ends at once", async () => {
  const silent = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const cancel = new AbortController();
  silent.once("connection", () => {
    cancel.abort();
  });
  const dial = connect(
    { ...target, port: (silent.address() as AddressInfo).port },
    { signal: cancel.signal },
  );
  expect((await failure(dial)).exitCode).toBe(exitCodes.interrupted);
  expect((await failure(connect(target, { signal: cancel.signal }))).exitCode).toBe(exitCodes.interrupted);
  silent.close();
});

test("output comes in the order and the stream in which it was printed", async () => {
  misbehaviour.onExec = (channel, command) => {
    channel.write(`ran ${command}\n`);
    channel.stderr.write("grü");
    channel.stderr.write("ße\n");
    channel.exit(0);
    channel.end();
  };
  const connection = await connect(target);
  expect(await connection.run("first\nsecond", { timeoutSeconds: 5 })).toEqual({
    exitCode: 0,
    stdout: "ran first\nsecond\n",
    stderr: "grüße\n",
  });
  await connection.close();
});

async function failure(promise: Promise<unknown>): Promise<OperatorError> {
  return promise.then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as OperatorError,
  );
}
