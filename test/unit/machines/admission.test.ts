import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  refusalByAddress,
  refusalByName,
  targetOfConnect,
  targetOfRequest,
  type Admission,
} from "../../../machines/admission.ts";

const admission: Admission = {
  mirrors: [
    { host: "deb.debian.org", port: 80 },
    { host: "192.168.7.7", port: 3142 },
  ],
  hosts: ["git.example.org"],
};

describe("what a machine asks its proxy for", () => {
  it("is read from an absolute request", () => {
    expect(targetOfRequest("http://Deb.Debian.org/debian/")).toEqual({ host: "deb.debian.org", port: 80 });
    expect(targetOfRequest("http://host:8080/")).toEqual({ host: "host", port: 8080 });
    // As any browser reads it: 127.0.0.1.
    expect(targetOfRequest("http://0x7f000001/")).toEqual({ host: "127.0.0.1", port: 80 });
    expect(targetOfRequest("http://[::1]/")).toEqual({ host: "::1", port: 80 });
    for (const url of ["/", "https://host/", "http://", "ftp://host/", "http://user:word@host/"]) {
      expect(targetOfRequest(url), url).toBeUndefined();
    }
  });

  it("is read from CONNECT", () => {
    expect(targetOfConnect("Git.Example.org:443")).toEqual({ host: "git.example.org", port: 443 });
    expect(targetOfConnect("[::1]:443")).toEqual({ host: "::1", port: 443 });
    for (const authority of ["", "host", "host:0", "host:65536", "host:44x", "a b:443", "host:443/"]) {
      expect(targetOfConnect(authority), authority).toBeUndefined();
    }
  });

  it("never makes the reader fail, whatever it is", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((text) => `http://${text}`),
        ),
        (text) => {
          targetOfRequest(text);
          targetOfConnect(text);
        },
      ),
    );
  });
});

describe("the proxy of a machine", () => {
  it("admits the mirror on its own port, and named hosts on ports 80 and 443", () => {
    for (const target of [
      { host: "deb.debian.org", port: 80 },
      { host: "192.168.7.7", port: 3142 },
      { host: "git.example.org", port: 443 },
      { host: "git.example.org", port: 80 },
    ]) {
      expect(refusalByName(target, admission)).toBeUndefined();
    }
  });

  it("refuses every other name, port and address, and says why", () => {
    const refusal = (host: string, port = 443) => refusalByName({ host, port }, admission);
    expect(refusal("api.openai.com")).toMatch(/neither the Debian mirror nor named/);
    expect(refusal("evil.git.example.org")).toMatch(/neither/);
    expect(refusal("git.example.org.")).toMatch(/neither/);
    expect(refusal("git.example.org", 22)).toMatch(/Port 22/);
    expect(refusal("deb.debian.org", 3142)).toMatch(/Port 3142/);
    expect(refusal("93.184.216.34")).toMatch(/is an address/);
    expect(refusal("::1")).toMatch(/is an address/);
    expect(refusal("192.168.7.7", 80)).toMatch(/is an address/);
  });

  it("refuses a name that leads to the operator's own computer or network", () => {
    const git = { host: "git.example.org", port: 443 };
    const refusal = (address: string) => refusalByAddress(git, address, ["198.51.100.9"], admission);
    for (const address of [
      "127.0.0.1",
      "10.1.2.3",
      "172.31.0.1",
      "192.168.0.1",
      "169.254.169.254",
      "100.64.0.1",
      "0.0.0.0",
      "239.1.1.1",
      "::1",
      "::",
      "fe80::1",
      "fd00::1",
      "::ffff:127.0.0.1",
      "198.51.100.9",
    ]) {
      expect(refusal(address), address).toMatch(/not on the public network/);
    }
    for (const address of ["93.184.216.34", "172.32.0.1", "2606:2800::1"])
      expect(refusal(address)).toBeUndefined();
  });

  it("lets the mirror lie in the operator's own network", () => {
    expect(refusalByAddress({ host: "deb.debian.org", port: 80 }, "10.1.2.3", [], admission)).toBeUndefined();
  });
});
