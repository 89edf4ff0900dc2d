/** A case as text that can be pasted into an issue: what was asked, what came, by what. */

import type { About } from "./about";
import type { Candidate, Fill, Options } from "./server";
import { percent } from "./wording";

export type Case = { code: string; language: string; options: Options; fill: Fill; about: About | null };

const MOST_CANDIDATES = 8;

/** Markdown. `code` has its holes as ???, so that it can be pasted back into the playground. */
export function reportOf({ code, language, options, fill, about }: Case): string {
  const steps = options.steps === undefined ? "auto" : String(options.steps);
  return [
    "What I expected here:",
    "",
    "(please say)",
    "",
    `The code, each hole as \`???\` (paste it into \`infill-ls playground\`, seed ${options.seed ?? 0}, steps ${steps}):`,
    "",
    fenced(code, language),
    "",
    "What came:",
    "",
    ...fill.alternatives.slice(0, MOST_CANDIDATES).map(candidateOf),
    "",
    "| | |",
    "| --- | --- |",
    ...factsOf(fill, about).map(([name, value]) => `| ${name} | ${value} |`),
    "",
  ].join("\n");
}

function candidateOf(candidate: Candidate, index: number): string {
  const texts = candidate.texts.map((text) => fenced(text, "")).join("\n\n");
  const breaks = candidate.breaks ? ", leaves syntax errors" : "";
  return `${index + 1}. ${percent(candidate.confidence)}${breaks}\n\n${texts}\n`;
}

function factsOf(fill: Fill, about: About | null): [string, string][] {
  const versions: [string, string][] = about
    ? [
        ["infill-ls", about.version],
        ["Python", about.python],
        ["system", about.system],
      ]
    : [];
  return [
    ["model", `${fill.model} on ${fill.device ?? "an unknown device"}`],
    ["confidence", `${fill.confidence.toFixed(2)}, ${fill.calibration ?? "calibration unknown"}`],
    ["steps", `${fill.steps} in ${fill.seconds.toFixed(2)} s, canvas of ${fill.canvasTokens} tokens`],
    ...versions,
  ];
}

/** In a fence that is longer than any in the text. */
function fenced(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((ticks) => ticks[0].length));
  const fence = "`".repeat(longest + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
