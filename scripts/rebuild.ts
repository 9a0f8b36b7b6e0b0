import { Command, InvalidArgumentError, Option } from "commander";
import { parts, type Part } from "../runbook/server-failure.ts";
import { report } from "../evidence/report.ts";
import { notSaid } from "../run/fence.ts";
import { rebuildScreen, type RebuildQuestion } from "../run/rebuild-screen.ts";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { ask, atTerminal } from "./ask.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { exitCodeOf } from "./exit-code.ts";
import { interruption } from "./interruption.ts";
import { length } from "./length.ts";
import { moment } from "./moment.ts";
import { recordedIn } from "./recorded-in.ts";
import { target } from "./target.ts";

interface Options {
  site: string;
  host: string;
  hostKey?: string;
  oldHost?: string;
  oldHostKey?: string;
  oldHostIsOff: boolean;
  point?: string;
  before?: Date;
  only?: Part;
  applicationHost?: string;
  applicationHostKey?: string;
  databaseAddress?: string;
  again?: string;
  dnsServer: string[];
  dnsWait: number;
  skipDns: boolean;
  watch: number;
  yes: boolean;
  withoutPulumi: boolean;
  json: boolean;
}

export function rebuildCommand(): Command {
  return new Command("rebuild")
    .description("restore the site on a blank Debian host; run again, it goes on where it stopped")
    .requiredOption("--host <host>", "the host: [USER@]ADDRESS[:PORT]")
    .option(
      "--host-key <key>",
      "its public host key: 'ssh-ed25519 AAAA…'; without, one that is known, or you are asked for its fingerprint",
    )
    .option(
      "--old-host <host>",
      "the server that the site was on: it is stopped first, [USER@]ADDRESS[:PORT]",
    )
    .option("--old-host-key <key>", "its public host key")
    .option("--old-host-is-off", "the old server is off and stays off: you have seen to it", false)
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--point <id>", "the restore point; the newest good one by default")
    .option("--before <time>", "only points with data of before this time (ISO 8601)", moment)
    .addOption(
      new Option(
        "--only <part>",
        "bring back the application or the database alone, on a host where the other stands",
      ).choices(parts),
    )
    .option(
      "--application-host <host>",
      "the site's server, to be led to the new database server (--only database, server: own): [USER@]ADDRESS[:PORT]",
    )
    .option("--application-host-key <key>", "its public host key")
    .option(
      "--database-address <address>",
      "where the site finds a database that has a server of its own, if not at --host or where the backup says",
      databaseAddress,
    )
    .option("--again <address>", "restore over the site that is on this host; the address a second time")
    .option(
      "--dns-wait <duration>",
      "how long to wait until DNS leads to the host, before the certificate is asked for",
      length,
      3600,
    )
    .option(
      "--skip-dns",
      "do not wait for DNS: it leads elsewhere on purpose, as with a proxy in front",
      false,
    )
    .option(
      "--dns-server <address>",
      "ask this DNS server, ADDRESS or ADDRESS:PORT, instead of your resolvers and the domain's own; may be repeated",
      (server: string, before: string[]) => [...before, server],
      [],
    )
    .option("--watch <duration>", "how long the recovered site is watched, such as 10min", length, 30 * 60)
    .option("--yes", "do not ask", false)
    .option("--without-pulumi", "carry the steps out directly over ssh, without a Pulumi engine", false)
    .option("--json", "print the run's record as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples('rebuild --host root@192.0.2.10 --host-key "ssh-ed25519 AAAA…"'))
    .action(async (options: Options) => {
      // The engine's library takes a second to load: not for every --help.
      const { rebuild } = await import("../run/rebuild.ts");
      const reporter = display(progressOutput());
      const interrupted = interruption("finish-steps", (line) => {
        reporter.say(line);
      });
      const host = target(options.host, options.hostKey);
      if (options.again !== undefined && options.again !== host.address) {
        throw new OperatorError(
          exitCodes.refused,
          `--again names ${options.again}, and --host names ${host.address}`,
          "what is on a host is replaced only when that host is named twice",
          `if it is meant: --again ${host.address}`,
        );
      }
      const result = await rebuild({
        siteFile: options.site,
        host,
        ...(options.oldHost === undefined ? {} : { oldHost: target(options.oldHost, options.oldHostKey) }),
        oldHostIsOff: options.oldHostIsOff,
        ask: atTerminal() && !options.yes ? ask : undefined,
        ...(options.only === undefined ? {} : { only: options.only }),
        ...(options.applicationHost === undefined
          ? {}
          : { applicationHost: target(options.applicationHost, options.applicationHostKey) }),
        ...(options.databaseAddress === undefined ? {} : { databaseAddress: options.databaseAddress }),
        again: options.again !== undefined,
        ...(options.point === undefined ? {} : { pointId: options.point }),
        ...(options.before === undefined ? {} : { before: options.before }),
        withoutPulumi: options.withoutPulumi,
        dnsServers: options.dnsServer,
        dnsWaitSeconds: options.skipDns ? 0 : options.dnsWait,
        watchSeconds: options.watch,
        confirm: (question) => confirm(options, question),
        reporter,
        ...interrupted,
      });
      if (!result) {
        console.error("nothing was done");
        process.exitCode = exitCodes.refused;
        return;
      }
      console.log(
        options.json ? JSON.stringify(result, null, 2) : `${report(result.record)}\n${recordedIn(result)}`,
      );
      process.exitCode = exitCodeOf(result.record);
    });
}

function databaseAddress(text: string): string {
  if (/^[A-Za-z0-9:][A-Za-z0-9.:-]*$/.test(text)) return text;
  throw new InvalidArgumentError("it is an address or a name, such as 10.0.0.6");
}

/** One screen before anything is touched, and one question. */
async function confirm(options: Options, question: RebuildQuestion): Promise<boolean> {
  console.error(rebuildScreen(question));
  if (options.yes) return true;
  if (!atTerminal()) {
    throw new OperatorError(
      exitCodes.refused,
      "a rebuild is confirmed before it begins",
      "there is no terminal to ask on",
      "read the lines above, then run the same with --yes",
    );
  }
  if (question.fencing.how === "ask") {
    const answer = await ask("is the old server switched off, and does it stay so? type off: ");
    if (answer !== "off") throw notSaid("you did not say so");
  }
  return (await ask("type the site's name to begin: ")) === question.site.name;
}
