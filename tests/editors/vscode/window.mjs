// One window of VS Code in Chromium, and what a user does in it.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../../editors/vscode/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const PATIENCE = 45_000;
export const GHOST = '.ghost-text, .ghost-text-decoration, .ghost-text-decoration-preview';

export const told = JSON.parse(process.argv[2]);

export async function openBrowser() {
  return chromium.launch({
    executablePath: told.chromium,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

/** A window that is lost fails each case after it, slowly: these are not tried. */
const MOST_FAILURES = 3;

/** Runs the cases in their order; one JSON line each. Of one that fails there is a picture. */
export async function runCases(cases, browser) {
  let failures = 0;
  for (const [name, run] of Object.entries(cases)) {
    if (failures === MOST_FAILURES) {
      break;
    }
    const startedAt = Date.now();
    let error = '';
    try {
      await run();
    } catch (problem) {
      error = String(problem?.stack ?? problem);
      failures += 1;
      const page = browser.contexts().at(-1)?.pages()[0];
      await new Window(page).screenshot(`failed ${name}`).catch(() => {});
    }
    console.log(JSON.stringify({ name, error, seconds: (Date.now() - startedAt) / 1000 }));
  }
}

export class Window {
  static async open(browser, folder) {
    const page = await browser.newPage({
      viewport: { width: 1100, height: 640 },
    });
    await Window.show(page, folder);
    return new Window(page);
  }

  /** `payload` are pairs of an option and its value, which VS Code takes from its address. */
  static async show(page, folder, payload) {
    const options = payload === undefined ? {} : { payload: JSON.stringify(payload) };
    const query = new URLSearchParams({ folder, ...options });
    await page.goto(`${told.origin}/?${query}`, {
      waitUntil: 'domcontentloaded',
    });
    await page.waitForSelector('.monaco-workbench', { timeout: PATIENCE });
  }

  constructor(page) {
    this.page = page;
  }

  /** From the explorer: the quick open box searches with a program that may not be here. */
  async openFile(name) {
    await this.page
      .locator('.explorer-folders-view .monaco-list-row', { hasText: name })
      .dblclick({ timeout: PATIENCE });
    await this.page
      .locator(`.tab.active[data-resource-name="${name}"]`)
      .waitFor({ timeout: PATIENCE });
    await this.page.locator('.editor-instance .monaco-editor .view-lines').first().waitFor();
  }

  /** The cursor to the end of line `number`, from 1. */
  async goToEndOf(number) {
    await this.page.keyboard.press('Control+G');
    await this.#box.fill(`:${number}`, { timeout: PATIENCE });
    await this.page.keyboard.press('Enter');
    await this.#box.waitFor({ state: 'hidden', timeout: PATIENCE });
    await this.page.keyboard.press('End');
  }

  async runCommand(title) {
    await this.page.keyboard.press('F1');
    await this.#box.fill(`>${title}`, { timeout: PATIENCE });
    await this.page
      .locator('.quick-input-list .monaco-list-row', { hasText: title })
      .first()
      .click({ timeout: PATIENCE });
  }

  get #box() {
    return this.page.locator('.quick-input-box input');
  }

  /** Like a person: a key at a time. */
  type(text) {
    return this.page.keyboard.type(text, { delay: 40 });
  }

  press(key) {
    return this.page.keyboard.press(key);
  }

  /** Line `number` as the document has it, without ghost text and drafts. */
  async line(number) {
    return (await this.text()).split('\n')[number - 1];
  }

  /** What the screen shows of the active editor. */
  async screen() {
    const lines = await this.page
      .locator('.editor-instance .monaco-editor .view-line')
      .evaluateAll((all) =>
        all
          .map((line) => [Number.parseFloat(line.style.top), line.textContent])
          .sort(([one], [other]) => one - other)
          .map(([, text]) => text),
      );
    return lines.join('\n').replaceAll('\u00a0', ' ');
  }

  async shows(text) {
    await until(
      async () => (await this.screen()).includes(text),
      () => this.screen(),
      text,
    );
  }

  async ghost() {
    const parts = await this.page.locator(GHOST).allTextContents();
    return parts.join('').replaceAll('\u00a0', ' ');
  }

  async ghostIs(text) {
    await until(
      async () => (await this.ghost()) === text,
      () => this.ghost(),
      text,
    );
  }

  /** The text of the live canvas, line by line: it stands in pseudo-elements. */
  async canvas() {
    const contents = await this.page
      .locator('.editor-instance .monaco-editor .view-line span')
      .evaluateAll((all) =>
        all
          .map((each) => getComputedStyle(each, '::before').content)
          .filter((content) => content !== 'none' && content !== 'normal')
          .map((content) => content.slice(1, -1).replaceAll('\\"', '"')),
      );
    return contents.map((content) => content.replaceAll('\u00a0', ' '));
  }

  async canvasHas(text) {
    await until(
      async () => (await this.canvas()).some((line) => line.includes(text)),
      () => this.canvas(),
      text,
    );
  }

  async canvasIsGone() {
    await until(
      async () => (await this.canvas()).length === 0,
      () => this.canvas(),
      'no canvas',
    );
  }

  get status() {
    return this.page.locator('#infill-ls\\.infill\\.infill\\.status');
  }

  async statusHas(text) {
    const now = () => this.status.innerText({ timeout: 1000 }).catch(() => 'no item');
    await until(async () => (await now()).replaceAll('\u00a0', ' ').includes(text), now, text);
  }

  async notificationHas(text) {
    await this.page
      .locator('.notification-list-item', { hasText: text })
      .first()
      .waitFor({ timeout: PATIENCE });
  }

  async screenshot(name) {
    mkdirSync(told.screenshots, { recursive: true });
    await this.page.screenshot({
      path: `${told.screenshots}/${name.replaceAll(' ', '-')}.png`,
    });
  }

  /** For the walkthrough: the editor and what is under it, half as large. */
  async picture(name) {
    mkdirSync(told.pictures, { recursive: true });
    await this.page.screenshot({
      path: `${told.pictures}/${name}.png`,
      clip: { x: 328, y: 34, width: 772, height: 330 },
    });
  }

  /** What the input box at the top holds. */
  fillBox(text) {
    return this.#box.fill(text, { timeout: PATIENCE });
  }

  close() {
    return this.page.close();
  }
}

/** What the scripted engine has done, see tests/scripted.py. */
export function events(...names) {
  let lines = [];
  try {
    lines = readFileSync(told.journal, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
  return lines.map((line) => JSON.parse(line)).filter(({ event }) => names.includes(event));
}

export async function until(holds, now, what) {
  const deadline = Date.now() + PATIENCE;
  while (!(await holds())) {
    if (Date.now() > deadline) {
      throw new Error(
        `waited in vain for ${JSON.stringify(what)}; there is ${JSON.stringify(await now())}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export function same(is, wanted) {
  if (JSON.stringify(is) !== JSON.stringify(wanted)) {
    throw new Error(`is ${JSON.stringify(is)}, and not ${JSON.stringify(wanted)}`);
  }
}
