import type { z } from "zod";

/** The JSON document that a host printed, when it is one of this shape. */
export function hostDocument<Document>(schema: z.ZodType<Document>, printed: string): Document | undefined {
  try {
    return schema.safeParse(JSON.parse(printed)).data;
  } catch {
    return undefined;
  }
}
