import { z } from "zod";
import { runRecordSchema } from "./record.ts";

/** JSON Schema (2020-12) of run.json, for whoever reads records with a program of their own. */
export function runJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(runRecordSchema);
  return { $schema, title: "run.json of recovery-stack", ...schema };
}
