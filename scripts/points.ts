import { Command } from "commander";
import { createLogUpdate } from "log-update";
import { age } from "../backups/age.ts";
import { isNamed, isOfUse } from "../backups/choose-point.ts";
import { fetchPoint } from "../backups/fetch-point.ts";
import { formatBytes } from "../backups/format-bytes.ts";
import { pinText } from "../backups/pin.ts";
import { isGood, isRead, pinOf, type RestorePoint } from "../backups/restore-point.ts";
import { duration } from "../evidence/report.ts";
import { verifyPoints } from "../run/verify-points.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { sitePoints } from "../stacks/prepare.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";

interface Options {
  site: string;
  json: boolean;
}

export function pointsCommand(): Command {
  const points = new Command("points").description("the restore points in the site's stores");
  points.addCommand(listCommand()).addCommand(showCommand());
  points.addCommand(verifyCommand()).addCommand(fetchCommand());
  return points;
}

function pointCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--json", "print the result as one JSON document", false)
    .option("--debug", "show where an error came from", false);
}

const say = (line: string) => {
  display(progressOutput()).say(line);
};

function listCommand(): Command {
  return pointCommand("list", "list them, newest data first, and say why one cannot be restored")
    .addHelpText("after", examples("points list --site club/site.yaml"))
    .action(async (options: Options) => {
      const found = await sitePoints(await loadSite(options.site), say);
      if (options.json) {
        print(found);
        return;
      }
      for (const point of found) {
        console.log(`${point.state.padEnd(8)}  ${point.id}  in ${point.store}: ${time(point)}`);
        if (point.reason !== null) console.log(`          ${point.reason}`);
        const pin = pinning(point);
        if (pin !== undefined) console.log(`          ${pin}`);
      }
      if (found.length === 0) console.log("the site's stores hold nothing");
    });
}

function showCommand(): Command {
  return pointCommand("show", "show all that is known of one, in each store that holds it")
    .argument("<id>", "its id, its file's name or an alias of it")
    .addHelpText("after", examples("points show full_backup_20261123_190739"))
    .action(async (id: string, options: Options) => {
      const found = named(await sitePoints(await loadSite(options.site), say), id);
      if (options.json) print(found);
      else console.log(found.map(shown).join("\n\n"));
    });
}

function verifyCommand(): Command {
  return pointCommand(
    "verify",
    "read points from end to end again, decrypted and unpacked, whatever is known of them",
  )
    .argument("[id]", "a point's id, its file's name or an alias of it")
    .option("--all", "all of them", false)
    .option("--new", "those that no verifier has read", false)
    .option("--sign", "sign what is found: it counts from then on (verification in site.yaml)", false)
    .addHelpText(
      "after",
      examples(
        "points verify full_backup_20261123_190739",
        "points verify --all",
        "points verify --new --sign",
      ),
    )
    .action(async (id: string | undefined, options: Options & Record<"all" | "new" | "sign", boolean>) => {
      if (Number(id !== undefined) + Number(options.all) + Number(options.new) !== 1) {
        throw new OperatorError(
          exitCodes.usage,
          "it is not clear which points are verified",
          "one is named, or --all, or --new: one of the three",
          "for example: npx recovery points verify --all",
        );
      }
      const { signal } = interruption("kill", say);
      const verified = await verifyPoints(await loadSite(options.site), {
        wanted: (points) => {
          if (id !== undefined) return named(points, id);
          return options.all ? points : points.filter((point) => isGood(point) && !isRead(point));
        },
        sign: options.sign,
        say,
        signal,
      });
      if (options.json) print(verified.map(({ point, verdict }) => ({ ...point, verdict })));
      else {
        for (const { point, verdict } of verified) {
          const { state, id: one, store, reason, storedBytes } = point;
          console.log(`${state.padEnd(8)}  ${one}  in ${store}: ${formatBytes(storedBytes)} read again`);
          if (reason !== null) console.log(`          ${reason}`);
          if (verdict !== null) console.log(`          signed: ${verdict}`);
        }
        if (verified.length === 0) {
          console.log(options.new ? "all of them have been read" : "the site's stores hold no restore point");
        }
      }
      process.exitCode = verified.some(({ failed }) => failed) ? exitCodes.failed : exitCodes.done;
    });
}

function fetchCommand(): Command {
  return pointCommand("fetch", "copy one out of its store, whole, and compare its hash")
    .argument("<id>", "its id, its file's name or an alias of it")
    .requiredOption("--to <folder>", "a folder on this computer; nothing in it is overwritten")
    .addHelpText("after", examples("points fetch full_backup_20261123_190739 --to /mnt/usb"))
    .action(async (id: string, options: Options & { to: string }) => {
      const { signal } = interruption("kill", say);
      const loaded = await loadSite(options.site);
      const found = named(await sitePoints(loaded, say, { signal }), id);
      const point = found.find(isGood) ?? found[0];
      const store = loaded.site.stores.find(({ name }) => name === point?.store);
      if (!point || !store) throw new Error(`the point ${id} is of no store of the site`);
      const progress = copying(point);
      const path = await fetchPoint(store, loaded, point, options.to, {
        onProgress: progress.told,
        signal,
      }).finally(progress.end);
      if (options.json) print({ path, point });
      else
        console.log(
          `${path}: ${formatBytes(point.storedBytes)}, sha256 ${point.sha256 ?? `of its manifest ${point.manifestSha256 ?? ""}`}, ${point.state}`,
        );
    });
}

function named(points: RestorePoint[], id: string): RestorePoint[] {
  const found = points.filter((point) => isNamed(point, id));
  if (found.length > 0) return found;
  throw new OperatorError(
    exitCodes.refused,
    `there is no restore point ${id}`,
    points.length === 0
      ? "the site's stores hold nothing"
      : `the newest are ${points
          .slice(0, 3)
          .map((point) => point.id)
          .join(", ")}`,
    "npx recovery points list shows them all",
  );
}

function shown(point: RestorePoint): string {
  const { id, state, reason, notes, store, file, aliases, storedAt, storedBytes, unpackedBytes } = point;
  const width = Math.max(0, ...point.members.map(({ path }) => path.length));
  const facts: [string, string | null][] = [
    ["state", reason === null ? state : `${state}: ${reason}`],
    ["data", time(point)],
    ["store", `${store}, since ${storedAt}`],
    ["file", [file, ...aliases.map((alias) => `also ${alias}`)].join(", ")],
    ["size", `${formatBytes(storedBytes)}, unpacked ${formatBytes(unpackedBytes)}`],
    ["made on", point.hostname],
    ["sha256", point.sha256],
    ["manifest", point.manifestSha256],
    ["pin", pinning(point) ?? null],
    ...notes.map((note): [string, string] => ["note", note]),
    ...point.members.map(({ path, bytes, unpackedBytes: unpacked }): [string, string] => [
      "member",
      `${path.padEnd(width)}  ${formatBytes(bytes)}${unpacked === bytes ? "" : `, unpacked ${formatBytes(unpacked)}`}`,
    ]),
  ];
  return [id, ...facts.flatMap(([what, said]) => (said === null ? [] : `  ${what.padEnd(8)}  ${said}`))].join(
    "\n",
  );
}

function time({ timeOfData }: RestorePoint): string {
  return timeOfData === null ? "of an unknown time" : `${timeOfData}, ${age(timeOfData, new Date())} old`;
}

/** The command that pins a point for plain `pulumi up`; undefined for one that is not restored by it. */
function pinning(point: RestorePoint): string | undefined {
  const pin = isGood(point) && isOfUse(point, { databaseAlone: true }) ? pinOf(point) : null;
  if (pin === null) return undefined;
  return `pulumi config set ${point.kind === "full" ? "point" : "databases"} ${pinText(pin)}`;
}

/** How far a copy is, how fast, and how long it will take: once a second on a terminal, else every 10 s. */
function copying({ file, storedBytes }: RestorePoint): { told: (bytes: number) => void; end: () => void } {
  const { live, stream } = progressOutput();
  const update = createLogUpdate(stream);
  const began = performance.now();
  let toldAt = began;
  return {
    told: (bytes) => {
      const now = performance.now();
      if (now - toldAt < (live ? 1000 : 10_000)) return;
      toldAt = now;
      const rate = (bytes / (now - began)) * 1000;
      const left = duration(Math.round((storedBytes - bytes) / rate));
      const line = `${file}: ${formatBytes(bytes)} of ${formatBytes(storedBytes)}, ${formatBytes(rate)}/s, ${left} left`;
      if (live) update(line);
      else say(line);
    },
    end: () => {
      if (!live) return;
      update.clear();
      update.done();
    },
  };
}

function print(result: unknown): void {
  console.log(JSON.stringify(result, null, 2));
}
