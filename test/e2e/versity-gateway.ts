import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { ended, freePort, tool } from "./object-servers.ts";

const version = "1.8.0";

/** A server of S3 that has nothing in common with moto, and keeps objects as files. */
export interface VersityGateway {
  port: number;
  close(): Promise<void>;
}

/**
 * Builds it once, from the Go module proxy, in a few minutes.
 * Throws where it cannot be had: without Go, or without a way to the proxy.
 */
export async function buildVersityGateway(): Promise<string> {
  const folder = await tool(`versitygw-${version}`, async (into) => {
    await execa("go", ["install", `github.com/versity/versitygw/cmd/versitygw@v${version}`], {
      env: { GOBIN: into, CGO_ENABLED: "0" },
      timeout: 900_000,
    });
  });
  return join(folder, "versitygw");
}

/** Under the certificate of that folder, with versions, on this computer's loopback. */
export async function startVersityGateway(
  program: string,
  directory: string,
  key: { accessKeyId: string; secretAccessKey: string },
): Promise<VersityGateway> {
  const port = await freePort();
  const [objects, versions] = [join(directory, "objects"), join(directory, "versions")];
  for (const folder of [objects, versions]) await mkdir(folder, { recursive: true });
  const child = spawn(
    program,
    [
      ...["--port", `127.0.0.1:${port}`, "--quiet"],
      ...["--cert", join(directory, "certificate.pem"), "--key", join(directory, "certificate.key")],
      ...["posix", "--versioning-dir", versions, objects],
    ],
    {
      stdio: "ignore",
      env: {
        ...process.env,
        ROOT_ACCESS_KEY_ID: key.accessKeyId,
        ROOT_SECRET_ACCESS_KEY: key.secretAccessKey,
      },
    },
  );
  await execa("curl", [
    ...["--silent", "--insecure", "--noproxy", "*", "--retry", "60", "--retry-connrefused"],
    ...["--retry-delay", "1", `https://127.0.0.1:${port}/`],
  ]);
  return { port, close: () => ended(child) };
}
