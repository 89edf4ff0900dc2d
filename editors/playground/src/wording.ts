/** Numbers as the page has them. */

export function milliseconds(seconds: number): string {
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
}

/** Of a probability; what is small is not rounded to nothing. */
export function percent(probability: number): string {
  if (probability > 0 && probability < 0.01) return "< 1%";
  return `${Math.round(100 * probability)}%`;
}

/** A candidate's texts on one line each, what stands between two holes left out. */
export function inWords(texts: string[]): string {
  return texts.map((text) => text || "(nothing)").join("\n⋯\n");
}

export function isNothing(texts: string[]): boolean {
  return texts.every((text) => text.trim() === "");
}
