import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildEngine } from "../../../engine/build-engine.ts";

const buildModule = new URL("../../../engine/build-engine.ts", import.meta.url).href;

/** A go whose build tells the test that it began, by connecting to it, and waits to be told to go on. */
const fakeGo = (socket: string) => `#!${process.execPath}
const socket = require("node:net").connect(${JSON.stringify(socket)});
const output = process.argv[process.argv.indexOf("-o") + 1];
socket.on("data", (answer) => {
  const fs = require("node:fs");
  if (String(answer) === "fail") { console.error("proxy: 404"); process.exit(1); }
  fs.mkdirSync(require("node:path").dirname(output), { recursive: true });
  fs.writeFileSync(output, "engine");
  process.exit(0);
});
`;

let directory: string;
let server: Server;
let builds: Build[];
let arrived: (() => void) | undefined;
const children: ChildProcess[] = [];

/** A go that is building; it ends its connection only by ending. */
interface Build {
  socket: Socket;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "build-engine-"));
  builds = [];
  const socketPath = join(directory, "socket");
  writeFileSync(join(directory, "go"), fakeGo(socketPath), { mode: 0o755 });
  server = createServer((socket) => {
    // A build that was killed ends its connection as it likes.
    socket.on("error", () => undefined);
    builds.push({ socket });
    arrived?.();
  }).listen(socketPath);
  await once(server, "listening");
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const { socket } of builds) socket.destroy();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function nextBuild(): Promise<Build> {
  if (builds.length === 0) await new Promise<void>((resolve) => (arrived = resolve));
  const build = builds.shift();
  if (!build) throw new Error("no build arrived");
  return build;
}

const built = () => join(directory, "cache", "built");
const isBuilt = () => Promise.resolve(existsSync(join(built(), "bin", "pulumi")));
const options = (say: (line: string) => void = () => undefined) => ({
  go: join(directory, "go"),
  directory: built(),
  isBuilt,
  say,
});

/** The same in a process of its own, which can be killed. */
function buildElsewhere(): ChildProcess {
  const program = `
    import { buildEngine } from ${JSON.stringify(buildModule)};
    await buildEngine({ go: ${JSON.stringify(join(directory, "go"))}, directory: ${JSON.stringify(built())},
      isBuilt: () => Promise.resolve(false), say: () => {} });`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  children.push(child);
  return child;
}

test("of two builders at once the second waits and uses what the first built", async () => {
  const first = buildEngine(options());
  const { socket } = await nextBuild();
  let waits: ((line: string) => void) | undefined;
  const waiting = new Promise<string>((resolve) => (waits = resolve));
  const second = buildEngine(options(waits));
  expect(await waiting).toBe("the engine is being built by another process; waiting for it");
  socket.write("go on");
  await Promise.all([first, second]);
  expect(builds).toEqual([]);
  expect(readFileSync(join(built(), "bin", "pulumi"), "utf8")).toBe("engine");
  expect(readdirSync(join(directory, "cache")).sort()).toEqual(["build.lock", "built"]);
});

test("a build whose owner is killed ends with it, leaves nothing in use, and the next one succeeds", async () => {
  const child = buildElsewhere();
  const { socket } = await nextBuild();
  const ended = once(socket, "close");
  child.kill("SIGKILL");
  await ended;
  expect(await isBuilt()).toBe(false);
  const next = buildEngine(options());
  (await nextBuild()).socket.write("go on");
  await next;
  expect(readdirSync(join(directory, "cache")).sort()).toEqual(["build.lock", "built"]);
});

test("a waiting builder takes over at once when the one that builds is killed", async () => {
  const child = buildElsewhere();
  await nextBuild();
  let waits: ((line: string) => void) | undefined;
  const waiting = new Promise<string>((resolve) => (waits = resolve));
  const second = buildEngine(options(waits));
  await waiting;
  child.kill("SIGKILL");
  (await nextBuild()).socket.write("go on");
  await second;
  expect(await isBuilt()).toBe(true);
});

test("a build that fails gives go's last words, and leaves nothing behind", async () => {
  const build = buildEngine(options());
  // Told before the answer arrives, lest the rejection be unhandled.
  const failure = expect(build).rejects.toMatchObject({ exitCode: 3, why: "proxy: 404" });
  (await nextBuild()).socket.write("fail");
  await failure;
  expect(readdirSync(join(directory, "cache"))).toEqual(["build.lock"]);
});

test("an abort ends the build", async () => {
  const controller = new AbortController();
  const build = buildEngine({ ...options(), signal: controller.signal });
  const failure = expect(build).rejects.toThrow("stop");
  const { socket } = await nextBuild();
  const ended = once(socket, "close");
  controller.abort(new Error("stop"));
  await Promise.all([failure, ended]);
  expect(readdirSync(join(directory, "cache"))).toEqual(["build.lock"]);
});
