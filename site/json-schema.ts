import { z } from "zod";
import { siteSchema } from "./schema.ts";
import { duration, formatDuration, formatSize, size } from "./units.ts";

export type Scalar = string | number | boolean | null;

/** The part of JSON Schema that a site.yaml needs. */
export interface JsonSchema {
  description?: string;
  type?: string;
  enum?: Scalar[];
  const?: Scalar;
  default?: Scalar | object;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  propertyNames?: JsonSchema;
  additionalProperties?: boolean | JsonSchema;
  required?: string[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  [keyword: string]: unknown;
}

/**
 * JSON Schema (2020-12) of what may be written in site.yaml, for editors. It says what a field may be; what fields may
 * not be together, `recovery config check` says.
 */
export function siteJsonSchema(): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(siteSchema, {
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema instanceof z.ZodDefault) {
        // What is written carries units; what the program computes with does not.
        const inner: unknown = zodSchema.unwrap();
        const value = zodSchema.def.defaultValue;
        if (inner === duration) jsonSchema.default = formatDuration(value as number);
        if (inner === size) jsonSchema.default = formatSize(value as number);
      }
      // The generator's bounds of a whole number are no rule of ours.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (zodSchema instanceof z.ZodEmail) delete jsonSchema.pattern;
    },
  });
  return { $schema, title: "site.yaml of recovery-stack", ...schema } as JsonSchema;
}
