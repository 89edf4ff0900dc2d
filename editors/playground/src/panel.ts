/** What stands beside the code: the steps of a fill, its candidates, its figures. */

import { meanConfidence, shadeOf } from "./canvas";
import type { Candidate, Draft, Fill } from "./server";

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

const chart = element("steps-chart");
const scrub = element<HTMLInputElement>("scrub");

/** A bar per step: as tall as it took long, coloured by confidence. `onStep` gets the index. */
export function showSteps(drafts: Draft[], onStep: (index: number) => void): void {
  const times = drafts.map((draft, index) => draft.seconds - (drafts[index - 1]?.seconds ?? 0));
  const longest = Math.max(...times, 1e-6);
  chart.replaceChildren(
    ...drafts.map((draft, index) => {
      const bar = document.createElement("button");
      const seconds = times[index] ?? 0;
      const sure = meanConfidence(draft.confidence);
      bar.className = `bar shade-${shadeOf(sure)}`;
      bar.style.height = `${Math.max(6, (100 * seconds) / longest)}%`;
      bar.title = `step ${draft.step}: ${milliseconds(seconds)}, confidence ${sure.toFixed(2)}`;
      bar.onclick = () => onStep(index);
      return bar;
    }),
  );
  scrub.disabled = drafts.length === 0;
  scrub.max = String(Math.max(1, drafts.length));
  scrub.oninput = () => onStep(Number(scrub.value) - 1);
}

export function pointAtStep(drafts: Draft[], index: number): void {
  const draft = drafts[index];
  scrub.value = String(index + 1);
  element("step-label").textContent = draft
    ? `${draft.step} of at most ${draft.of}, ${milliseconds(draft.seconds)} after asking`
    : "";
  [...chart.children].forEach((bar, number) => bar.classList.toggle("here", number === index));
}

export function showCandidates(candidates: Candidate[], onPick: (index: number) => void): void {
  element("candidates-label").textContent = candidates.length ? "best first" : "";
  element("candidates").replaceChildren(
    ...candidates.map((candidate, index) => {
      const row = document.createElement("li");
      const pick = document.createElement("button");
      const code = document.createElement("code");
      code.textContent = candidate.texts.map((text) => text || "(nothing)").join("\n⋯\n");
      const score = document.createElement("small");
      score.textContent = candidate.score === null ? "" : candidate.score.toFixed(2);
      score.title = "the score it was ranked by; higher is better";
      pick.append(code, score);
      pick.onclick = () => onPick(index);
      row.append(pick);
      return row;
    }),
  );
}

export function pointAtCandidate(index: number): void {
  [...element("candidates").children].forEach((row, number) =>
    row.classList.toggle("here", number === index),
  );
}

export function showFacts(fill: Fill | null): void {
  const facts: [string, string][] = fill
    ? [
        ["confidence", fill.confidence.toFixed(2)],
        ["steps", String(fill.steps)],
        ["time", milliseconds(fill.seconds)],
        ["canvas", `${fill.canvasTokens} tokens`],
        ["model", `${fill.model} on ${fill.device ?? "an unknown device"}`],
      ]
    : [];
  element("facts").replaceChildren(
    ...facts.flatMap(([name, value]) => {
      const term = document.createElement("dt");
      const said = document.createElement("dd");
      term.textContent = name;
      said.textContent = value;
      return [term, said];
    }),
  );
}

export function clearPanel(): void {
  showSteps([], () => {});
  pointAtStep([], -1);
  showCandidates([], () => {});
  showFacts(null);
}

function milliseconds(seconds: number): string {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
}
