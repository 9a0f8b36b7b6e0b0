import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fencedLines, inlineCode, page, pages, prose, root } from "./documents.ts";

const ownFolders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== "node_modules")
  .map(({ name }) => name);

/** The anchor that a heading gets on the usual sites. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/** All text of the program's own files below some folders. */
function sources(...folders: string[]): string {
  return folders
    .flatMap((folder) =>
      readdirSync(new URL(folder, root), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, "utf8")),
    )
    .join("\n");
}

describe.each(pages)("$path", ({ path, text }) => {
  test("links to files and headings that are there", () => {
    const broken: string[] = [];
    for (const [, target = ""] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = "", heading] = target.split("#");
      const url = file === "" ? new URL(path, root) : new URL(file, new URL(path, root));
      if (!existsSync(url)) broken.push(target);
      else if (heading !== undefined) {
        const headings = [...readFileSync(url, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, one = ""]) =>
          anchor(one),
        );
        if (!headings.includes(heading)) broken.push(target);
      }
    }
    expect(broken).toEqual([]);
  });

  test("names files of this repository that are there", () => {
    const files = inlineCode(text)
      .filter((code) => ownFolders.includes(code.split("/")[0] ?? "") && /^[\w.-]+\/[\w./-]*$/.test(code))
      .filter((file) => !existsSync(new URL(file, root)));
    expect(files).toEqual([]);
  });

  test("names paths of a host that host/ uses", () => {
    const scripts = sources("host");
    const names = [...text.matchAll(/\/(?:var\/lib|run)\/recovery\/([\w.-]+)/g)].map(([, name = ""]) => name);
    expect(names.filter((name) => !new RegExp(`\\$(state|volatile)/${name}\\b`).test(scripts))).toEqual([]);
  });

  test("holds no path of anybody's computer and no host of anybody's network", () => {
    expect(text).not.toMatch(/\/home\/|\/work\/|\/tmp\/|\/Users\//);
    const hosts = [...text.matchAll(/\b(?:https?|git|ssh):\/\/([\w.-]+)/g)].map(([, host = ""]) => host);
    const known =
      /(^|\.)example\.(org|com|net|test)$|^(github\.com|www\.pulumi\.com|[a-zA-Z]+\.blob\.core\.windows\.net)$/;
    expect(hosts.filter((host) => !known.test(host))).toEqual([]);
    // Documentation's own (RFC 5737), loopback, and a drill's private ones.
    const addresses = [...text.matchAll(/\b\d{1,3}(?:\.\d{1,3}){3}\b/g)].map(([address]) => address);
    expect(addresses.filter((address) => !/^(192\.0\.2|127\.0\.0|10)\./.test(address))).toEqual([]);
  });
});

test("every message that docs/rebuild.md explains is one that the program gives", () => {
  const messages = [...page("docs/rebuild.md").matchAll(/^\| (`.*?`) +\|/gm)]
    .flatMap(([, cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, message = ""]) => message))
    .filter((message) => !message.startsWith("/"));
  expect(messages.length).toBeGreaterThan(30);
  const program = sources("site", "backups", "stacks", "run", "ssh", "engine", "scripts", "host");
  // What the program fills in stands as … in the page, and as a variable or more on one line of the source.
  const asWritten = (message: string) =>
    new RegExp(
      message
        .split("…")
        .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
        .join(".{1,200}"),
    );
  const unknown = messages.filter((message) => !asWritten(message).test(program));
  expect(unknown).toEqual([]);
});

test("the README's recording shows the steps of today, and an outcome", () => {
  const recording = fencedLines(page("README.md"), "text").join("\n");
  const plan = readFileSync(new URL("runbook/complete-failure.ts", root), "utf8");
  const titles = [...plan.matchAll(/^ +title: "(.*)",$/gm)].map(([, title = ""]) => title);
  expect(titles.length).toBeGreaterThan(15);
  expect(titles.filter((title) => !recording.includes(title))).toEqual([]);
  expect(recording).toMatch(/^recovered chatbot from full_backup_\d{8}_\d{6} in /m);
});
