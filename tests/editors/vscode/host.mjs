// Runs suite.cjs inside the extension host of a window, and says what it has found out.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Window, openBrowser, told } from './window.mjs';

const PATIENCE = 300_000;
const remote = (path) => `vscode-remote://${new URL(told.origin).host}${path}`;

const browser = await openBrowser();
const page = await browser.newPage();
const ended = new Promise((resolve) => setTimeout(resolve, PATIENCE));
const exited = new Promise((resolve) => page.exposeFunction('codeAutomationExit', resolve));
await page.exposeFunction('codeAutomationLog', () => {});
await Window.show(page, told.folder, [
  ['extensionDevelopmentPath', remote(told.extension)],
  ['extensionTestsPath', remote(`${dirname(fileURLToPath(import.meta.url))}/suite.cjs`)],
  ['skipWelcome', 'true'],
]);
await Promise.race([ended, exited]);
await browser.close();
console.log(readFileSync(`${told.folder}/results.jsonl`, 'utf8'));
process.exit(0);
