import { describe, expect, it } from "vitest";
import { guestFiles } from "../../../machines/guest-files.ts";

describe("the files a machine is started with", () => {
  const files = guestFiles({
    hostname: "drill",
    machineId: "0".repeat(32),
    guestAddress: "10.9.8.2",
    authorizedKeys: ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"],
    hostKey: { privateKey: "PRIVATE\n", publicKey: "ssh-ed25519 CCCC drill" },
    proxy: { address: "10.9.8.1", port: 4242 },
    canary: { port: 999 },
    operatorAddresses: ["192.0.2.2", "fd00::2"],
  });
  const file = (path: string) => files.find((candidate) => candidate.path === path);

  it("keep its private key and its list of keys to root", () => {
    expect(file("etc/ssh/ssh_host_ed25519_key")).toMatchObject({ content: "PRIVATE\n", mode: 0o600 });
    expect(file("root/.ssh/authorized_keys")).toMatchObject({
      content: "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n",
      mode: 0o600,
    });
  });

  it("send apt and every unit through the proxy, but not to the machine itself", () => {
    expect(file("etc/apt/apt.conf.d/00recovery-proxy")?.content).toBe(
      'Acquire::http::Proxy "http://10.9.8.1:4242";\nAcquire::https::Proxy "http://10.9.8.1:4242";\n',
    );
    expect(file("etc/systemd/system.conf.d/recovery-proxy.conf")?.content).toBe(
      "[Manager]\nDefaultEnvironment=http_proxy=http://10.9.8.1:4242 https_proxy=http://10.9.8.1:4242 no_proxy=localhost,127.0.0.1,::1,drill,10.9.8.2\n",
    );
  });

  it("say what must not be reached, for the proof", () => {
    expect(JSON.parse(file("etc/recovery-wall.json")?.content ?? "")).toEqual({
      proxy: { address: "10.9.8.1", port: 4242 },
      canary: { port: 999 },
      operatorAddresses: ["192.0.2.2", "fd00::2"],
    });
  });
});
