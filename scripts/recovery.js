#!/usr/bin/env node
// The command line is TypeScript; tsx loads it from wherever `recovery` was called.
import { register } from "tsx/esm/api";

register();
await import("./main.ts");
