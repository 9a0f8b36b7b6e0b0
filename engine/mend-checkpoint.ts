import { copyFile, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * The engine writes its checkpoint in place: killed in that moment, it leaves half a file, with which no command of it works
 * any more. The one before it, which the engine keeps beside it, takes its place; without one the stack begins anew.
 * Nothing is done twice for that: which steps are done stands in the host's ledger.
 */
export async function mendCheckpoint(
  place: { stateDirectory: string; projectName: string; stackName: string },
  say: (line: string) => void,
): Promise<void> {
  const folder = join(place.stateDirectory, ".pulumi", "stacks", place.projectName);
  const file = join(folder, `${place.stackName}.json`);
  // Beside each file lies one of attributes, which may be missing but not be cut off.
  for (const name of await readdir(folder).catch(() => [])) {
    const attributes = join(folder, name);
    if (name.endsWith(".attrs") && (await judge(attributes)) === "damaged") await rm(attributes);
  }
  if ((await judge(file)) !== "damaged") return;
  await rename(file, `${file}.damaged`);
  if ((await judge(`${file}.bak`)) === "whole") {
    await copyFile(`${file}.bak`, file);
    say("took the engine's state from its copy: the last was cut off while it was written");
  } else {
    say("the engine begins with an empty state: its last was cut off while it was written");
  }
}

async function judge(file: string): Promise<"whole" | "damaged" | "absent"> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "absent";
    throw error;
  }
  try {
    JSON.parse(text);
    return "whole";
  } catch {
    return "damaged";
  }
}
