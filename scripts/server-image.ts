import { readFile, rename, writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { parseDocument } from "yaml";
import { exitCodes, OperatorError } from "../site/operator-error.ts";
import { formatSize } from "../site/units.ts";
import { examples } from "./examples.ts";

interface Options {
  site: string;
  region: string;
  type: string;
  release: string;
  architecture: "amd64" | "arm64";
  write: boolean;
  json: boolean;
}

export function serverImageCommand(): Command {
  return new Command("server-image")
    .description(
      "find Debian's newest image at AWS, and what a type of instance has: what replacement in site.yaml pins",
    )
    .requiredOption("--region <region>", "the region, such as eu-central-1")
    .option("--type <type>", "the type of instance", "t3.small")
    .addOption(new Option("--release <number>", "the Debian release").choices(["12", "13"]).default("12"))
    .addOption(
      new Option("--architecture <architecture>", "the processors")
        .choices(["amd64", "arm64"])
        .default("amd64"),
    )
    .option("--write", "write both into replacement of site.yaml; its comments stay", false)
    .option("--site <file>", "the site's configuration", "site.yaml")
    .option("--json", "print them as one JSON document", false)
    .option("--debug", "show where an error came from", false)
    .addHelpText("after", examples("server-image --region eu-central-1 --type t3.small"))
    .action(async (options: Options) => {
      const { region, type, release, architecture } = options;
      // The cloud's library takes a second to load: not for every --help.
      const { describeType, newestDebianImage } = await import("../run/ec2.ts");
      const [found, has] = await Promise.all([
        newestDebianImage(region, release, architecture),
        describeType(region, type),
      ]);
      if (!has.architectures.includes(architecture)) {
        throw new OperatorError(
          exitCodes.usage,
          `${type} does not run what is for ${architecture}`,
          `its processors are of ${has.architectures.join(", ") || "no kind that Debian's images are for"}`,
          "name another type, or --architecture",
        );
      }
      const image = { id: found.id, release, architecture };
      const instance = { type, cores: has.cores, memory: formatSize(has.memoryBytes), architecture };
      if (options.write) await pin(options.site, { region, image, instance });
      if (options.json) {
        console.log(JSON.stringify({ ...found, image, instance }, null, 2));
        return;
      }
      const flow = (of: object) =>
        `{ ${Object.entries(of)
          .map(([key, value]) => `${key}: ${key === "release" ? JSON.stringify(value) : String(value)}`)
          .join(", ")} }`;
      console.log(
        [
          `  # ${found.name}, of ${found.createdAt}`,
          `  image: ${flow(image)}`,
          `  instance: ${flow(instance)}`,
          ...(options.write ? [`written into ${options.site}`] : []),
        ].join("\n"),
      );
    });
}

/** Puts the pin in place of the one that is there; every other line stays as it is. */
async function pin(
  file: string,
  { region, image, instance }: { region: string; image: object; instance: object },
): Promise<void> {
  const document = parseDocument(await readFile(file, "utf8"));
  const written = document.getIn(["replacement", "region"]);
  const at = typeof written === "string" ? written : undefined;
  if (document.errors.length > 0 || at !== region) {
    throw new OperatorError(
      exitCodes.usage,
      `nothing is written into ${file}`,
      document.errors.length > 0
        ? "it is not YAML as it should be"
        : at === undefined
          ? "it has no section replacement with a region"
          : `its replacement is in ${at}, and an image of ${region} is not there`,
      "add the section: docs/servers.md; or paste the lines that are printed without --write",
    );
  }
  for (const [name, value] of Object.entries({ image, instance })) {
    const node = document.createNode(value, { flow: true });
    document.setIn(["replacement", name], node);
  }
  await writeFile(`${file}.new`, document.toString({ lineWidth: 0 }));
  await rename(`${file}.new`, file);
}
