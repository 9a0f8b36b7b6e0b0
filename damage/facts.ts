import type { RestorePoint } from "../backups/restore-point.ts";
import type { Site } from "../site/schema.ts";
import type { HostReport } from "./host-report.ts";

/** All that `recovery assess` looked at, from outside, on the host and in the stores. Plain data. */
export interface Facts {
  site: Site;
  /** UTC, ISO 8601. */
  at: string;
  /** The domain and its aliases, as this computer resolves them. */
  names: { name: string; addresses: string[]; error: string | null }[];
  server: {
    /** What was dialled; null when nothing says where the server is. */
    address: string | null;
    ping: "answers" | "silent" | "not-tried";
    ports: { port: number; state: PortState }[];
  };
  /** The front page as a visitor gets it; undefined when nobody could be asked for it. */
  page?: PageFacts | undefined;
  /** Undefined when nothing was shown. */
  certificate?: { error: string | null; daysLeft: number };
  login: LoginFacts;
  /** What its cloud says of the server, where site.yaml names it. */
  instance?: InstanceFacts;
  stores: { name: string; error: string | null; points: RestorePoint[] }[];
}

export type Architecture = "amd64" | "arm64";

/** An instance of AWS EC2, in AWS' own words: `running`, `ok`, `impaired`; or why they were not to be had. */
export type InstanceFacts =
  { id: string; state: string; checks: { system: string; instance: string } } | { id: string; error: string };

export type PortState = "open" | "refused" | "silent" | "unreachable";

export interface PageFacts {
  /** As site.yaml asks for it; null when it does not: then any below 500 will do. */
  expectedStatus: number | null;
  /** Null when there was no answer, and `error` says why. */
  status: number | null;
  error: string | null;
  /** An error that PHP printed into the page. */
  phpError: string | null;
  /** Text that site.yaml asks for and that is not in the page. */
  lacks: string | null;
}

export type LoginFacts =
  | { state: "not-asked" }
  /** `kind`: nobody could be logged in here; the host does not let in; its key is another; it does not answer. */
  | { state: "failed"; kind: "no-agent" | "not-let-in" | "other-key" | "no-answer"; why: string }
  | { state: "seen"; report: HostReport; clockOffsetSeconds: number | null };
