/** What the playground's own process knows beside the language server: versions, models, floors. */

export type About = { version: string; python: string; system: string; models: string[] };

/** An address of this page's server with its token. */
export function addressOf(path: string, more: Record<string, string> = {}): URL {
  const address = new URL(path, location.href);
  address.search = location.search;
  for (const [name, value] of Object.entries(more)) address.searchParams.set(name, value);
  return address;
}

export async function about(): Promise<About> {
  return (await fetch(addressOf("/about"))).json();
}

/** The seconds that a step over so many tokens takes at least on this machine; null if unknown. */
export async function floorOf(model: string, canvasTokens: number): Promise<number | null> {
  try {
    const answer = await fetch(addressOf("/floor", { model, canvas: String(canvasTokens) }));
    return (await answer.json()).seconds ?? null;
  } catch {
    return null; // the server has gone, which the page says elsewhere
  }
}
