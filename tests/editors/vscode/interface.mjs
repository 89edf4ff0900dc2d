// What a user sees in the window, in Chromium: ghost text, the live canvas, the status bar.

import { existsSync, readFileSync } from 'node:fs';
import { Window, events, openBrowser, runCases, same, told, until } from './window.mjs';

const browser = await openBrowser();
let window;
let second;

const CASES = {
  async 'the first start shows the walkthrough'() {
    window = await Window.open(browser, told.folders.first);
    await window.page.getByText('Start with Infill').first().waitFor({ timeout: 60_000 });
    await window.statusHas('scripted on script');
    await window.screenshot('walkthrough');
    await window.page.getByText('The live draft').first().click();
    await window.page.waitForTimeout(300);
    await window.screenshot('walkthrough canvas');
  },

  async 'ghost text appears'() {
    await window.openFile('ghost.py');
    await window.goToEndOf(2);
    await window.type('total = ');
    await window.ghostIs('alpha + beta_two');
    await window.screenshot('ghost text');
  },

  async 'ghost text follows what is typed into it'() {
    const asked = events('begin').length;
    await window.type('al');
    await window.ghostIs('pha + beta_two');
    await window.shows('total = alpha + beta_two');
    same(events('begin').length, asked);
  },

  async 'ghost text is accepted by word'() {
    await window.press('Control+ArrowRight');
    await window.ghostIs(' + beta_two');
    await window.screenshot('ghost text by word');
  },

  async 'ghost text is accepted whole'() {
    await window.press('Tab');
    await window.ghostIs('');
    await window.shows('total = alpha + beta_two');
  },

  async 'ghost text is dismissed'() {
    await window.press('Enter');
    await window.type('again = ');
    await window.ghostIs('not wanted');
    await window.press('Escape');
    await window.ghostIs('');
    await window.press('Enter');
  },

  async 'ghost text of several lines'() {
    await window.type('def mean(values):');
    await window.press('Enter');
    await window.type('if not values:');
    await window.shows('return 0');
    await window.screenshot('ghost text of several lines');
    await window.picture('type');
    await window.press('Escape');
  },

  async 'code actions are offered'() {
    await window.openFile('holes.py');
    await window.goToEndOf(4);
    await window.press('Control+.');
    await window.page.getByText('Fill the 2 holes in `area`').first().waitFor({ timeout: 20_000 });
    await window.screenshot('code actions');
    await window.picture('holes');
  },

  async 'the live canvas shows all holes sharpen'() {
    await window.press('Enter'); // the first of the list
    await window.canvasHas('width * hei');
    await window.statusHas('script');
    await window.notificationHas('Fill the 2 holes in `area`');
    await window.screenshot('live canvas');
    same((await window.screen()).includes('...'), true);
    await window.shows('inner = width * height');
    await window.canvasIsGone();
    await window.shows('return inner + border');
    await window.screenshot('live canvas has become text');
  },

  async 'a fill of several lines, coloured by confidence'() {
    await window.goToEndOf(9);
    await window.runCommand('Infill: Fill the Body of This Function');
    await window.canvasHas('for value in');
    const first = await colours(window);
    await window.screenshot('live canvas of several lines');
    await until(
      async () => [...(await colours(window))].some((colour) => !first.has(colour)),
      async () => [...(await colours(window))],
      'another colour',
    );
    await window.screenshot('live canvas of several lines, later');
    await window.picture('canvas');
  },

  async 'escape cancels the fill and its work'() {
    const cancelled = events('cancelled').length;
    await window.press('Escape');
    await window.canvasIsGone();
    await until(
      () => events('cancelled').length > cancelled,
      () => events('cancelled'),
      'cancelled',
    );
    await window.shows('def summed(values):');
    same((await window.screen()).includes('total'), false);
    await window.statusHas('scripted on script');
  },

  async 'the status bar says why it is quiet, and shows it anyway'() {
    await window.openFile('manual.py');
    await window.goToEndOf(2);
    await window.type('doubt = ');
    await window.statusHas('quiet: 0.18 is under');
    same(await window.ghost(), '');
    await window.screenshot('quiet'); // editors/vscode/walkthrough/status.png
    await window.status.click();
    await window.page.locator('.quick-input-list', { hasText: 'Show Anyway' }).waitFor();
    await window.page.waitForTimeout(200);
    await window.press('Enter'); // the first of the list
    await window.ghostIs('uncertain()');
    await window.press('Tab');
    await window.press('Enter');
    await window.openFile('holes.py');
  },

  async 'the status bar tells the latency'() {
    same(/ [\d.]+ m?s$/.test(await window.status.innerText()), true);
    await window.status.hover();
    await window.page.waitForTimeout(1200);
    await window.screenshot('status bar');
  },

  async 'the menu pauses and resumes'() {
    await window.status.click();
    await window.page.locator('.quick-input-list', { hasText: 'Pause' }).waitFor();
    await window.page.waitForTimeout(200);
    await window.screenshot('menu');
    await window.page.locator('.quick-input-list .monaco-list-row', { hasText: 'Pause' }).click();
    await window.page
      .locator('#infill-ls\\.infill\\.infill\\.status .codicon-debug-pause')
      .waitFor();
    await window.screenshot('paused');
    await window.runCommand('Infill: Resume');
    await window.page.locator('#infill-ls\\.infill\\.infill\\.status .codicon-sparkle').waitFor();
  },

  async 'the menu stops fills that nobody has asked for'() {
    await window.status.click();
    await window.page
      .locator('.quick-input-list .monaco-list-row', {
        hasText: 'Fill Only When I Ask',
      })
      .click();
    await window.page
      .locator('#infill-ls\\.infill\\.infill\\.status .codicon-circle-outline')
      .waitFor();
    await window.openFile('manual.py');
    await window.goToEndOf(2);
    const asked = events('begin').length;
    await window.type('total = ');
    await window.page.waitForTimeout(800);
    same(await window.ghost(), '');
    same(events('begin').length, asked);
    await window.runCommand('Trigger Inline Suggestion');
    await window.ghostIs('alpha + beta_two');
    await window.press('Escape');
    await window.runCommand('Infill: Fill While I Type, or Only When I Ask');
    await window.page.locator('#infill-ls\\.infill\\.infill\\.status .codicon-sparkle').waitFor();
  },

  async 'the menu offers models'() {
    await window.runCommand('Infill: Choose the Model');
    const list = window.page.locator('.quick-input-list', {
      hasText: 'A folder…',
    });
    await list.waitFor({ timeout: 60_000 });
    await window.page.waitForTimeout(200);
    await window.screenshot('models');
    await window.press('Escape');
  },

  async 'two windows share one engine'() {
    const loaded = events('load').length;
    second = await Window.open(browser, told.folders.second);
    await second.statusHas('scripted on script');
    await second.openFile('ghost.py');
    await second.goToEndOf(2);
    await second.type('total = ');
    await second.ghostIs('alpha + beta_two');
    same(events('load').length, loaded);
  },

  async 'both windows survive a killed engine'() {
    const loaded = events('load').length;
    const { pid } = events('load').at(-1);
    process.kill(pid, 'SIGKILL');
    for (const each of [second, window]) {
      await each.page.bringToFront();
      await each.openFile('killed.py');
      await each.goToEndOf(2);
      await each.type('after_all = ');
      await each.ghostIs('alive');
    }
    same(events('load').length, loaded + 1);
    await window.screenshot('after the engine was killed');
    await second.close();
  },

  async 'without a server there is an offer, and nothing runs'() {
    const without = await Window.open(browser, told.folders.without);
    await without.notificationHas('Infill has no language server yet');
    await without.statusHas('no server: click to install');
    await without.screenshot('no server');
    same(existsSync(told.installed), false);
    await without.close();
  },

  async 'one button installs the server and shows the progress'() {
    const fresh = await Window.open(browser, told.folders.fresh);
    await fresh.page
      .locator('.notification-list-item')
      .getByText('Install the Server')
      .click({ timeout: 60_000 });
    await fresh.page
      .locator('.quick-input-list .monaco-list-row', { hasText: 'A full address' })
      .click();
    await fresh.fillBox('infill-ls');
    await fresh.page.getByText('https://… of a wheel').first().waitFor();
    await fresh.screenshot('install from');
    await fresh.fillBox(told.wheel);
    await fresh.press('Enter');
    await fresh.notificationHas('Resolved 41 packages');
    await fresh.screenshot('installing');
    await fresh.statusHas('scripted on script');
    same(readFileSync(told.installed, 'utf8').trim(), `tool install --force ${told.wheel}`);
    await fresh.screenshot('installed');
    await fresh.close();
  },

  async 'in a dark theme, by the model that ships'() {
    const real = await Window.open(browser, told.folders.embedded);
    await real.statusHas('on cpu');
    await real.openFile('vector.py');
    await real.goToEndOf(3);
    await real.press('Enter');
    await real.type('self.');
    await until(
      async () => (await real.ghost()) !== '',
      () => real.ghost(),
      'any ghost text',
    );
    await real.screenshot('embedded ghost text');
    await real.close();
  },
};

/** Those the canvas is painted in. */
async function colours(window) {
  const painted = await window.page.locator('.view-line span').evaluateAll((all) =>
    all
      .map((each) => getComputedStyle(each, '::before'))
      .filter(({ content }) => content !== 'none' && content !== 'normal')
      .map(({ backgroundImage }) => backgroundImage.split('linear-gradient')[1] ?? ''),
  );
  return new Set(painted.flatMap((image) => image.match(/rgb\([^)]*\)/g) ?? []));
}

await runCases(CASES, browser);
await browser.close();
