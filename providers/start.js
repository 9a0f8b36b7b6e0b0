// The provider is TypeScript; tsx, found from here, loads it whatever the engine's working directory.
import { register } from "tsx/esm/api";

register();
await import("./provider.ts");
