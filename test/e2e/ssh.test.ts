import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import net, { type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { exitCodes, OperatorError } from "../../site/operator-error.ts";
import { connect, fingerprint, type SshConnection } from "../../ssh/connection.ts";
import { startRelay } from "../../ssh/relay.ts";
import { makeKey, says, startAgent, startSshd, type LoopbackSshd } from "./loopback-sshd.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
let sshd: LoopbackSshd;
let connection: SshConnection;

beforeAll(async () => {
  sshd = await startSshd();
  // Where relays keep their folders: nobody else's are counted.
  process.env["TMPDIR"] = sshd.folder;
  connection = await connect(sshd.target);
});

afterAll(async () => {
  await connection.close();
  sshd.close();
});

describe("a command on the host", () => {
  test("returns what it printed and its exit code", async () => {
    expect(await connection.run("echo out; echo err >&2; exit 3", { timeoutSeconds: 10 })).toEqual({
      exitCode: 3,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  test("that a signal ended says which", async () => {
    expect(await connection.run("kill -KILL $$", { timeoutSeconds: 10 })).toEqual({
      exitCode: 137,
      signal: "SIGKILL",
      stdout: "",
      stderr: "",
    });
  });

  test("finds its standard input empty when none is given", async () => {
    expect((await connection.run("wc -c", { timeoutSeconds: 10 })).stdout).toBe("0\n");
  });

  test("reads text, bytes and a stream of 48 MiB from standard input", async () => {
    const block = randomBytes(1024 ** 2);
    const hash = createHash("sha256");
    for (let i = 0; i < 48; i++) hash.update(block);
    const blocks = Readable.from(
      (function* () {
        for (let i = 0; i < 48; i++) yield block;
      })(),
    );
    expect((await connection.run("cat", { stdin: "grüße\n", timeoutSeconds: 10 })).stdout).toBe("grüße\n");
    expect((await connection.run("wc -c", { stdin: block, timeoutSeconds: 10 })).stdout).toBe("1048576\n");
    expect((await connection.run("sha256sum", { stdin: blocks, timeoutSeconds: 60 })).stdout).toBe(
      `${hash.digest("hex")}  -\n`,
    );
  });

  test("that ends without reading its input is no failure", async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(65536);
      })(),
    );
    expect(await connection.run("head -c 3 | wc -c", { stdin: endless, timeoutSeconds: 20 })).toMatchObject({
      exitCode: 0,
      stdout: "3\n",
    });
  });

  test("returns 32 MiB of output whole, and gives it out as it arrives", async () => {
    let seen = 0;
    const result = await connection.run("head -c 33554432 /dev/zero | tr '\\0' x; echo end >&2", {
      timeoutSeconds: 60,
      onOutput: (chunk, stream) => {
        if (stream === "stdout") seen += chunk.length;
      },
    });
    expect(result.stdout.length).toBe(33554432);
    expect(seen).toBe(33554432);
    expect(result.stderr).toBe("end\n");
  });

  test("that prints without end is stopped", async () => {
    await expect(connection.run("yes", { timeoutSeconds: 60 })).rejects.toThrow("printed too much");
    expect((await connection.run("echo still here", { timeoutSeconds: 10 })).stdout).toBe("still here\n");
  });

  test("that exceeds its time fails, and ends on the host when it next prints", async () => {
    const pid = join(sshd.folder, "pid");
    const command = `echo $$ > ${pid}; while sleep 0.1; do echo; done`;
    const error = await failureOf(connection.run(command, { timeoutSeconds: 0.5 }));
    expect(error.exitCode).toBe(exitCodes.failed);
    expect(error.what).toBe(`'${command}' on ${host()} took too long.`);
    const gone = `while kill -0 $(cat ${pid}) 2>/dev/null; do sleep 0.05; done`;
    expect(await connection.run(gone, { timeoutSeconds: 10 })).toMatchObject({ exitCode: 0 });
  });

  test("ends when it is cancelled", async () => {
    const cancel = new AbortController();
    const running = connection.run("echo started; exec sleep 322", {
      timeoutSeconds: 60,
      signal: cancel.signal,
      onOutput: () => {
        cancel.abort();
      },
    });
    expect((await failureOf(running)).exitCode).toBe(exitCodes.interrupted);
  });
});

describe("log in", () => {
  test("is refused for a host with another key, and both fingerprints are told", async () => {
    makeKey(sshd.folder, "other", "ed25519");
    const other = publicKey("other");
    const error = await failureOf(connect({ ...sshd.target, hostKey: other }));
    expect(error.exitCode).toBe(exitCodes.refused);
    expect(error.what).toContain(`${host()} is not the host it should be`);
    expect(error.why).toBe(
      `Expected ${fingerprint(other)}, the host shows ${fingerprint(sshd.target.hostKey)}.`,
    );
  });

  test("asks for the key that is pinned, not the server's first", async () => {
    const other = await connect({ ...sshd.target, hostKey: sshd.ecdsaHostKey });
    await other.close();
  });

  test("is refused for a host without any key of the pinned type", async () => {
    const rsa = `ssh-rsa ${Buffer.concat([Buffer.from([0, 0, 0, 7]), Buffer.from("ssh-rsa")]).toString("base64")}`;
    const error = await failureOf(connect({ ...sshd.target, hostKey: rsa }));
    expect(error.exitCode).toBe(exitCodes.refused);
    expect(error.why).toContain("the host has no key of that type");
  });

  test("that the host refuses names the keys that were offered", async () => {
    makeKey(sshd.folder, "stranger", "ed25519");
    const agent = await startAgent(sshd.folder, "strangers", ["stranger"]);
    const error = await failureOf(connect({ ...sshd.target, agentSocketPath: agent.socketPath }));
    agent.close();
    expect(error.exitCode).toBe(exitCodes.missingHere);
    expect(error.what).toBe(`${host()} refused to let ${sshd.target.user} in.`);
    expect(error.why).toBe(
      `The ssh agent ${agent.socketPath} offered ${fingerprint(publicKey("stranger"))} (ssh-ed25519 stranger).`,
    );
  });

  test("with an agent of too many keys tells what the host said of them", async () => {
    const keys = Array.from({ length: 8 }, (_, i) => `many-${i}`);
    for (const key of keys) makeKey(sshd.folder, key, "ed25519");
    const agent = await startAgent(sshd.folder, "many", keys);
    const error = await failureOf(connect({ ...sshd.target, agentSocketPath: agent.socketPath }));
    agent.close();
    expect(error.why).toContain("The host said: Too many authentication failures");
  });

  test("with an empty agent, a dead one or none says so", async () => {
    const agent = await startAgent(sshd.folder, "empty", []);
    const empty = await failureOf(connect({ ...sshd.target, agentSocketPath: agent.socketPath }));
    agent.close();
    expect(empty.why).toBe(`The ssh agent ${agent.socketPath} holds no key.`);

    const dead = await failureOf(connect({ ...sshd.target, agentSocketPath: "/nowhere/agent" }));
    expect(dead.exitCode).toBe(exitCodes.missingHere);
    expect(dead.why).toContain("Agent /nowhere/agent");

    const { address, port, user, hostKey } = sshd.target;
    const before = process.env["SSH_AUTH_SOCK"];
    delete process.env["SSH_AUTH_SOCK"];
    const none = await failureOf(connect({ address, port, user, hostKey }));
    if (before !== undefined) process.env["SSH_AUTH_SOCK"] = before;
    expect(none.why).toContain("SSH_AUTH_SOCK is not set");
  });

  test("at an agent that says nothing is bounded", async () => {
    const silent = net.createServer().listen(join(sshd.folder, "silent-agent"));
    const error = await failureOf(
      connect({ ...sshd.target, agentSocketPath: join(sshd.folder, "silent-agent") }, { timeoutSeconds: 1 }),
    );
    silent.close();
    expect(error.why).toBe("It stopped answering during authentication (limit 1 s).");
  });

  test("at a port where nothing listens is told at once", async () => {
    const error = await failureOf(connect({ ...sshd.target, port: 1 }));
    expect(error.what).toBe("127.0.0.1:1 cannot be reached.");
    expect(error.why).toContain("Nothing listens on that port");
  });

  test("at a server that accepts and says nothing is bounded", async () => {
    const silent = await listen(net.createServer());
    const error = await failureOf(connect({ ...sshd.target, port: silent.port }, { timeoutSeconds: 1 }));
    silent.server.close();
    expect(error.what).toBe(`127.0.0.1:${silent.port} is silent.`);
    expect(error.why).toContain("took the connection and then said nothing for 1 s");
  });

  test("at a server that says its version and no more is bounded", async () => {
    const silent = await listen(net.createServer((socket) => socket.write("SSH-2.0-OpenSSH_9.2\r\n")));
    const error = await failureOf(connect({ ...sshd.target, port: silent.port }, { timeoutSeconds: 1 }));
    silent.server.close();
    expect(error.why).toBe("It stopped answering during key exchange (limit 1 s).");
  });

  test("at a server that hangs up is told", async () => {
    const rude = await listen(net.createServer((socket) => socket.end()));
    const error = await failureOf(connect({ ...sshd.target, port: rude.port }));
    rude.server.close();
    expect(error.what).toContain("ended the connection before we were logged in");
  });

  test("at a host that drops every packet is bounded", async () => {
    // The kernel drops further connections once the queue of a program that never accepts is full.
    const hung = spawn(process.execPath, [
      "-e",
      `const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
         require("node:fs").writeSync(1, "port " + server.address().port + "\\n");
         Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
       });`,
    ]);
    const port = Number(/port (\d+)/.exec(await says(hung, hung.stdout, "\n"))?.[1]);
    const fillers = Array.from({ length: 4 }, () =>
      net.connect(port, "127.0.0.1").on("error", () => undefined),
    );
    await new Promise((resolve) => fillers[0]?.once("connect", resolve));
    const error = await failureOf(connect({ ...sshd.target, port }, { timeoutSeconds: 2 }));
    for (const filler of fillers) filler.destroy();
    hung.kill("SIGKILL");
    expect(error.what).toBe(`127.0.0.1:${port} cannot be reached.`);
    expect(error.why).toContain("Nothing answered within 2 s");
  });
});

describe("a connection", () => {
  test("that is cut in the middle fails what runs, and says so", async () => {
    const line = await tapped(sshd.target.port);
    const through = await connect({ ...sshd.target, port: line.port });
    const error = await failureOf(
      through.run("echo started; exec sleep 5", {
        timeoutSeconds: 60,
        onOutput: () => {
          line.cut();
        },
      }),
    );
    await through.closed;
    expect(error.what).toBe(
      `The connection to 127.0.0.1:${line.port} was lost while 'echo started; exec sleep 5' ran.`,
    );
    expect((await failureOf(through.run("true", { timeoutSeconds: 5 }))).what).toContain("was lost");
    line.close();
  });

  test("over which nothing comes any more is given up", async () => {
    const line = await tapped(sshd.target.port);
    const through = await connect({ ...sshd.target, port: line.port }, { keepaliveSeconds: 0.3 });
    const error = await failureOf(
      through.run("echo started; exec sleep 5", {
        timeoutSeconds: 60,
        onOutput: () => {
          line.silence();
        },
      }),
    );
    expect(error.why).toBe("It gave no sign of life for 1 s.");
    line.close();
  });

  test("over which a command says nothing for long stays", async () => {
    const patient = await connect(sshd.target, { keepaliveSeconds: 0.1 });
    expect((await patient.run("sleep 1.5; echo done", { timeoutSeconds: 10 })).stdout).toBe("done\n");
    await patient.close();
  });

  test("can be closed twice, and close ends what runs", async () => {
    const short = await connect(sshd.target);
    const running = failureOf(short.run("exec sleep 5", { timeoutSeconds: 60 }));
    await short.close();
    await short.close();
    expect((await running).why).toBe("It was closed here.");
  });
});

describe("the relay", () => {
  test("gives the host exactly the files named, through a reverse forward, to those who know the password", async () => {
    const bytes = randomBytes(8 * 1024 ** 2);
    writeFileSync(join(sshd.folder, "archive"), bytes);
    const relay = await startRelay({
      point: [{ name: "full_backup.tar.gz", path: join(sshd.folder, "archive") }],
    });
    const forward = await connection.reverseForward("127.0.0.1", relay.port);
    const curl = async (path: string, password: string, more: string) =>
      (
        await connection.run(`curl -sK- http://127.0.0.1:${forward.remotePort}${path} ${more}`, {
          stdin: `user = ${relay.user}:${password}\n`,
          timeoutSeconds: 30,
        })
      ).stdout.trim();
    const status = "-o /dev/null -w '%{http_code}'";
    expect(await curl("/point/full_backup.tar.gz", relay.password, "| sha256sum")).toBe(
      `${createHash("sha256").update(bytes).digest("hex")}  -`,
    );
    expect(await curl("/point/full_backup.tar.gz", "wrong", status)).toBe("401");
    expect(await curl("/htpasswd", relay.password, status)).toBe("404");
    expect(await curl("/point/../../htpasswd", relay.password, `--path-as-is ${status}`)).toBe("404");
    expect(await curl("/point/full_backup.tar.gz", relay.password, `-X DELETE ${status}`)).toBe("405");

    await forward.close();
    const after = await connection.run(`curl -s http://127.0.0.1:${forward.remotePort}/`, {
      timeoutSeconds: 10,
    });
    expect(after.exitCode).toBe(7);
    await relay.close();
    await expect(reachable(relay.port)).resolves.toBe(false);
  });

  test("of an rclone that is too old for it says what is missing, and what does without", async () => {
    const folder = join(sshd.folder, "old");
    mkdirSync(folder);
    // As rclone 1.53 says it.
    const said = `Failed to create file system for "served:": didn't find backend called "combine"`;
    writeFileSync(
      join(folder, "rclone"),
      `#!/bin/sh\necho '${said.replaceAll("'", `'"'"'`)}' >&2\nexit 1\n`,
      {
        mode: 0o755,
      },
    );
    vi.stubEnv("PATH", `${folder}:${process.env["PATH"] ?? ""}`);
    const remote = { environment: {}, path: "store:/srv/kept/" };
    const point = [{ name: "a", remote }];
    const application = [{ name: "b", path: "/etc/hostname" }];
    const failure = await startRelay({ point, application }).catch((error: unknown) => error);
    vi.unstubAllEnvs();
    expect(failure).toMatchObject({ exitCode: exitCodes.missingHere });
    expect(String(failure)).toContain("rclone here is older than 1.59");
  });

  test("keeps its password out of arguments and environments, and leaves no folder", async () => {
    const before = relayFolders();
    const relay = await startRelay({ point: [{ name: "a", path: "/etc/hostname" }] });
    const listing = await connection.run(
      "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'",
      { timeoutSeconds: 10 },
    );
    expect(listing.stdout).toContain("webdav");
    expect(listing.stdout).not.toContain(relay.password);
    await relay.close();
    expect(relayFolders()).toEqual(before);
  });
});

describe("a program that holds a connection, a forward and a relay", () => {
  const program = (then: string) => `
    import { connect } from "./ssh/connection.ts";
    import { startRelay } from "./ssh/relay.ts";
    const connection = await connect(${JSON.stringify(sshd.target)}, { keepaliveSeconds: 0.2 });
    connection.unref();
    const relay = await startRelay({ point: [{ name: "a", path: "/etc/hostname" }] });
    const { remotePort } = await connection.reverseForward("127.0.0.1", relay.port);
    const { stdout } = await connection.run("sleep 0.5; echo ran", { timeoutSeconds: 10 });
    console.log(JSON.stringify({ port: relay.port, remotePort, stdout }));
    ${then}`;
  const start = (then: string) =>
    spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program(then)], {
      cwd: repository,
      stdio: ["ignore", "pipe", "inherit"],
    });

  test("ends when its own work is done, and the relay with it", async () => {
    const before = relayFolders();
    const child = start("");
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const said = JSON.parse(await says(child, child.stdout, "}\n")) as { port: number; stdout: string };
    expect(said.stdout).toBe("ran\n");
    expect(await ended).toBe(0);
    await eventually(async () => !(await reachable(said.port)) && relayFolders().join() === before.join());
  });

  test("and is killed with -9 takes the relay with it", async () => {
    const before = relayFolders();
    const child = start("setInterval(() => undefined, 1000);");
    const said = JSON.parse(await says(child, child.stdout, "}\n")) as { port: number };
    expect(await reachable(said.port)).toBe(true);
    child.kill("SIGKILL");
    await eventually(async () => !(await reachable(said.port)) && relayFolders().join() === before.join());
  });
});

function host(): string {
  return `${sshd.target.address}:${sshd.target.port}`;
}

function publicKey(name: string): string {
  return readFileSync(join(sshd.folder, `${name}.pub`), "utf8").trim();
}

async function failureOf(promise: Promise<unknown>): Promise<OperatorError> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(OperatorError);
    return error as OperatorError;
  }
  throw new Error("it did not fail");
}

async function listen(server: net.Server): Promise<{ server: net.Server; port: number }> {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

/** A line to the port that can be cut, or go silent with both ends open. */
async function tapped(toPort: number) {
  const sockets = new Set<net.Socket>();
  const { server, port } = await listen(
    net.createServer((near) => {
      const far = net.connect(toPort, "127.0.0.1");
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on("error", () => undefined);
      }
    }),
  );
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port,
    cut,
    silence: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

function reachable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => {
      resolve(false);
    });
  });
}

function relayFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("recovery-relay-"));
}

/** The end of another process' children is no event here. */
async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("it did not come true within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
