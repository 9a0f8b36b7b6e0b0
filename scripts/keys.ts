import { Command } from "commander";
import { proveKeys, type KeysProof } from "../run/prove-keys.ts";
import { loadSite } from "../site/load.ts";
import { exitCodes } from "../site/operator-error.ts";
import { display, progressOutput } from "./display.ts";
import { examples } from "./examples.ts";
import { interruption } from "./interruption.ts";

interface Options {
  site: string;
  json: boolean;
}

export function keysCommand(): Command {
  return new Command("keys")
    .description(
      "try the keys: does each open the newest backup of each tier, before the night in which it must",
    )
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--json", "print the result as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("keys", "keys --site club/site.yaml"))
    .action(async (options: Options) => {
      const say = (line: string) => {
        display(progressOutput()).say(line);
      };
      const { signal } = interruption("kill", say);
      const proof = await proveKeys(await loadSite(options.site), { say, signal });
      console.log(options.json ? JSON.stringify(proof, null, 2) : shown(proof));
      process.exitCode = proof.faults.length === 0 ? exitCodes.done : exitCodes.failed;
    });
}

function shown({ recipients, keys, faults }: KeysProof): string {
  return [
    ...recipients.map((recipient) => {
      const own = keys.find(({ publicKey }) => publicKey === recipient);
      return `recipient  ${recipient}${own === undefined ? "" : `: ${own.secret}, the ${own.of}'s`}`;
    }),
    ...keys.flatMap(({ secret, of, problem, points }) => [
      ...(problem === null ? [] : [`not here    ${secret}, the ${of}'s: ${problem}`]),
      ...points.map(
        ({ id, store, opens }) => `${opens ? "opens    " : "DOES NOT "}  ${id} in ${store}, by ${secret}`,
      ),
    ]),
    ...(faults.length === 0
      ? ["every key that is here opens what it should"]
      : faults.map((fault) => `FAULT: ${fault}`)),
  ].join("\n");
}
