import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recoveryHost, type RecoveryHost } from "./recovery-host.ts";

let host: RecoveryHost;

const configuration = (answer: string) => `
user www-data;
# Many: some of the old ones answer for a while beside the new ones.
worker_processes 64;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 64; }
http { server { listen 127.0.0.1:8080; location / { return 200 "${answer}"; } } }
`;

const put = (file: string, text: string) =>
  host.onHost(`cat > ${file} <<'END-OF-FILE'\n${text}\nEND-OF-FILE`);

beforeAll(async () => {
  host = await recoveryHost();
  await host.onHost(
    "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y install --no-install-recommends nginx-light curl >/dev/null",
  );
  await put("/root/nginx.sh", await readFile(new URL("../../host/nginx.sh", import.meta.url), "utf8"));
});

afterAll(async () => {
  await host.close();
});

/** What 300 visitors are answered who come, one by one, once the reload has returned. */
async function answersAfter(reload: string): Promise<Record<string, number>> {
  const script = `
set -euo pipefail
fail() { printf '%s\\n' "$@" >&2; exit 1; }
. /root/nginx.sh
${reload}
for ((i = 0; i < 300; i++)); do exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3; echo; exec 3>&-; done | sort | uniq -c`;
  await put("/root/answers", script);
  const lines = (await host.onHost("bash /root/answers")).trim().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [count, answer] = line.trim().split(" ");
      return [answer ?? "", Number(count)];
    }),
  );
}

describe("nginx on a host", () => {
  test("serves nobody by its old configuration once a reload has returned", async () => {
    await put("/etc/nginx/nginx.conf", configuration("old"));
    await host.onHost("systemctl restart nginx");
    await put("/etc/nginx/nginx.conf", configuration("new"));
    expect(await answersAfter("reload_nginx")).toEqual({ new: 300 });
  });

  test("is not taken for reloaded when it goes on with its old configuration", async () => {
    await put("/etc/nginx/nginx.conf", configuration("old"));
    await host.onHost("systemctl restart nginx");
    // Well written, and cannot be taken: sshd has that port.
    await put("/etc/nginx/nginx.conf", configuration("new").replace("127.0.0.1:8080", "22"));
    await expect(answersAfter("reload_nginx")).rejects.toThrow(
      /nginx does not take its new configuration\n.*bind\(\) to 0\.0\.0\.0:22 failed/,
    );
  });
});
