import { hostname, userInfo } from "node:os";

/** Who runs this, as a second operator is told: `anna@office`. */
export function operator(): string {
  return `${userInfo().username}@${hostname()}`;
}
