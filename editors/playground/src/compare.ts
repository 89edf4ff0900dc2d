/** The same holes filled by other models, their best fills side by side. */

import { element } from "./panel";
import { Server, type Fill } from "./server";
import { inWords, milliseconds, percent } from "./wording";

/** Fills what the page has asked for, by another server. */
export type Ask = (server: Server) => Promise<Fill>;

export class Comparison {
  private readonly servers = new Map<string, Server>();
  private readonly chosen: Set<string>;

  /** `models`: those to choose from; `onPick` gets the fill of the row that is clicked. */
  constructor(
    models: string[],
    private readonly onPick: (fill: Fill) => void,
  ) {
    this.chosen = new Set(models);
    element("compare-help").hidden = models.length > 0;
    element("compare").hidden = models.length === 0;
    element("compare-models").replaceChildren(
      ...models.map((model) => {
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.checked = true;
        box.onchange = () => void (box.checked ? this.chosen.add(model) : this.chosen.delete(model));
        label.append(box, ` ${model}`);
        return label;
      }),
    );
  }

  clear(): void {
    element("compared").replaceChildren();
  }

  /** `first` was made by the page's own model. One model after the other: they share a machine. */
  async run(first: Fill, ask: Ask, cancelled: AbortSignal): Promise<void> {
    this.clear();
    this.addRow(first.model, first);
    for (const model of this.chosen) {
      if (cancelled.aborted) return;
      const row = this.addRow(model, null);
      try {
        row(await ask(await this.serverOf(model)));
      } catch (error) {
        row(error instanceof Error ? error.message : String(error));
      }
    }
  }

  private async serverOf(model: string): Promise<Server> {
    const known = this.servers.get(model);
    if (known !== undefined) return known;
    const server = await Server.connect(model, () => this.servers.delete(model));
    this.servers.set(model, server);
    return server;
  }

  /** What it gives takes the fill, or why there is none. */
  private addRow(model: string, fill: Fill | null): (result: Fill | string) => void {
    const row = document.createElement("li");
    const pick = document.createElement("button");
    const code = document.createElement("code");
    const facts = document.createElement("small");
    const head = document.createElement("strong");
    head.textContent = model;
    code.textContent = "…";
    pick.append(head, code, facts);
    row.append(pick);
    element("compared").append(row);
    const show = (result: Fill | string): void => {
      if (typeof result === "string") {
        code.textContent = result;
        row.className = "failed";
        return;
      }
      head.textContent = result.model;
      code.textContent = inWords(result.texts);
      facts.textContent = `${percent(result.confidence)} · ${result.steps} steps · ${milliseconds(result.seconds)}`;
      pick.onclick = () => this.onPick(result);
    };
    if (fill !== null) show(fill);
    return show;
  }
}
