import type { Facts } from "./facts.ts";
import type { Finding } from "./findings.ts";
import { scenarioFacts, scenarios, type DisasterScenario } from "./scenario.ts";

/** What all findings together mean. */
export interface Verdict {
  /** `unclear`: nothing bad was seen, but the host could not be looked at although that was asked for. */
  outcome: "well" | "wrong" | "unclear";
  /** Null when nothing is wrong, and when what is wrong is none of the runbook's disasters. */
  scenario: DisasterScenario | null;
  title: string;
  priority: "P0" | "P1" | null;
  /** How long the recovery may take. */
  rtoSeconds: number | null;
  /** In the words of the findings. */
  reasons: string[];
}

/** Pure; never throws. What is wrong may have several signs: a dead database makes dead pages. The graver cause counts. */
export function verdict({ site, login, server }: Facts, findings: readonly Finding[]): Verdict {
  const bad = findings.filter(({ level }) => level === "bad");
  const scenario = scenarios.find((one) => bad.some(({ suggests }) => suggests === one)) ?? null;
  if (scenario !== null) {
    const { title, priority, objective } = scenarioFacts[scenario];
    const signs = bad.filter(({ suggests }) => suggests === scenario);
    return {
      outcome: "wrong",
      scenario,
      title,
      priority,
      rtoSeconds: site.objectives.rto[objective],
      reasons: signs.map(({ subject, seen }) => `${subject}: ${seen}`),
    };
  }
  const none = { scenario, priority: null, rtoSeconds: null };
  const reasons = bad.map(({ subject, seen }) => `${subject}: ${seen}`);
  if (bad.length > 0)
    return {
      ...none,
      outcome: "wrong",
      title: "Something is wrong, and it is none of the disasters",
      reasons,
    };
  if (login.state === "failed")
    return {
      ...none,
      outcome: "unclear",
      title: "From outside nothing is wrong; the host itself was not seen",
      reasons: [login.why],
    };
  if (login.state === "not-asked" && server.address === null)
    return {
      ...none,
      outcome: "unclear",
      title: "Nothing could be looked at",
      reasons: ["nothing says where the server is"],
    };
  return {
    ...none,
    outcome: "well",
    title: login.state === "seen" ? "Nothing is wrong" : "From outside nothing is wrong",
    reasons: findings
      .filter(({ level, subject }) => level === "warn" && subject.startsWith("audit log"))
      .map(({ subject, seen }) => `${subject}: ${seen}; if one was not meant, it is a partial data loss`),
  };
}
