// Runs inside the extension host: what the editor's own interface does not show.

const assert = require('node:assert');
const { appendFileSync, readFileSync, readdirSync } = require('node:fs');
const { join } = require('node:path');
const vscode = require('vscode');

const PATIENCE = 30_000;
const folder = vscode.workspace.workspaceFolders[0].uri.fsPath;
const { journal, other } = JSON.parse(readFileSync(join(folder, 'told.json'), 'utf8'));

let infill;

const CASES = {
  async 'starts, and tells its model and device'() {
    infill = await vscode.extensions.getExtension('infill-ls.infill').activate();
    await until(() => infill.statusBar.text === '$(sparkle) scripted on script', 'ready');
  },

  async 'accepts ghost text after an emoji, with CRLF'() {
    const editor = await open('crlf.py', '# 🎉\r\ntotal = \r\nafter = 1\r\n');
    put(editor, 1, 8);
    await until(async () => {
      await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
      await pause(300);
      await vscode.commands.executeCommand('editor.action.inlineSuggest.commit');
      return editor.document.lineAt(1).text !== 'total = ';
    }, 'ghost text');
    const text = "# 🎉\r\ntotal = '🎉' + alpha\r\nafter = 1\r\n";
    assert.equal(editor.document.getText(), text);
  },

  async 'resolves a code action to its edit'() {
    const editor = await open('body.py', 'def answer():\r\n    s = "🎉"\r\n    ...\r\n');
    const [action] = await vscode.commands.executeCommand(
      'vscode.executeCodeActionProvider',
      editor.document.uri,
      new vscode.Range(2, 7, 2, 7),
      'refactor.rewrite.infill',
      1,
    );
    assert.ok(await vscode.workspace.applyEdit(action.edit));
    assert.equal(
      editor.document.getText(),
      'def answer():\r\n    s = "🎉"\r\n    if s:\r\n        return s\r\n    return "🎈"\r\n',
    );
  },

  async 'fills several holes at once, and shows each of them'() {
    const editor = await open(
      'holes.py',
      'def area(w, h):\n    inner = ...\n    return inner + ...\n',
    );
    put(editor, 0, 0);
    const done = vscode.commands.executeCommand('infill.fillHoles');
    await until(() => infill.canvas.drafts.some(({ text }) => text !== ''), 'a draft');
    const drafts = infill.canvas.drafts;
    assert.deepEqual(
      drafts.map(({ hole, holes }) => [hole, holes]),
      [
        [0, 2],
        [1, 2],
      ],
    );
    assert.deepEqual(
      drafts.map(({ range }) => range.start.line),
      [1, 2],
    );
    assert.ok(infill.fills.busy);
    await done;
    assert.ok(!infill.fills.busy);
    assert.equal(
      editor.document.getText(),
      'def area(w, h):\n    inner = w * h\n    return inner + 1\n',
    );
    await until(() => infill.canvas.drafts.length === 0, 'no draft');
    assert.ok(infill.server.latency > 0);
  },

  async 'is undone in one step'() {
    await vscode.commands.executeCommand('undo');
    const { document } = vscode.window.activeTextEditor;
    assert.equal(document.getText(), 'def area(w, h):\n    inner = ...\n    return inner + ...\n');
  },

  async 'cancels a fill, and the work on it'() {
    const text = 'def endless():\n    pass\n';
    const editor = await open('endless.py', text);
    put(editor, 0, 0);
    const done = vscode.commands.executeCommand('infill.fillBody');
    await until(() => infill.canvas.drafts.length > 0, 'a draft');
    await vscode.commands.executeCommand('infill.cancel');
    await done;
    await until(() => events('cancelled').length === 1, 'the end of the work');
    assert.equal(editor.document.getText(), text);
    assert.equal(infill.canvas.drafts.length, 0);
  },

  async 'leaves alone what is changed meanwhile'() {
    const editor = await open('changed.py', 'def endless():\n    pass\n');
    put(editor, 0, 0);
    const done = vscode.commands.executeCommand('infill.fillBody');
    await until(() => infill.canvas.drafts.length > 0, 'a draft');
    await editor.edit((edit) => edit.insert(new vscode.Position(0, 0), '# new\n'));
    await vscode.commands.executeCommand('infill.cancel');
    await done;
    assert.equal(editor.document.getText(), '# new\ndef endless():\n    pass\n');
  },

  async 'passes a change of the settings on'() {
    const infillSettings = vscode.workspace.getConfiguration('infill');
    const model = infillSettings.inspect('model').workspaceValue;
    await infillSettings.update('model', other, vscode.ConfigurationTarget.Workspace);
    const editor = await open('other.py', 'def area(w, h):\n    return ...\n');
    put(editor, 0, 0);
    await until(async () => {
      await vscode.commands.executeCommand('infill.fillHoles');
      return editor.document.getText() === 'def area(w, h):\n    return "other"\n';
    }, 'the other script');
    await infillSettings.update('model', model, vscode.ConfigurationTarget.Workspace);
    await until(() => infill.server.status?.state === 'ready', 'ready');
  },

  async 'starts a server again that has ended'() {
    process.kill(serverProcess(), 'SIGKILL');
    await until(() => infill.server.life === 'waiting', 'waiting');
    assert.match(infill.statusBar.text, /sync~spin/);
    await until(() => infill.server.status?.state === 'ready', 'ready');
    const editor = await open(
      'again.py',
      'def area(w, h):\n    inner = ...\n    return inner + ...\n',
    );
    put(editor, 0, 0);
    await vscode.commands.executeCommand('infill.fillHoles');
    assert.equal(
      editor.document.getText(),
      'def area(w, h):\n    inner = w * h\n    return inner + 1\n',
    );
  },

  async 'says where no server is, and finds it once it is named'() {
    const infillSettings = vscode.workspace.getConfiguration('infill');
    const path = infillSettings.inspect('server.path').workspaceValue;
    await infillSettings.update('server.path', '/nowhere', vscode.ConfigurationTarget.Workspace);
    await until(() => infill.server.life === 'missing', 'missing');
    assert.match(infill.server.problem, /infill\.server\.path names \/nowhere/);
    await infillSettings.update('server.path', path, vscode.ConfigurationTarget.Workspace);
    await until(() => infill.server.status?.state === 'ready', 'ready');
  },

  async 'offers every command it names'() {
    const named = vscode.extensions
      .getExtension('infill-ls.infill')
      .packageJSON.contributes.commands.map(({ command }) => command);
    const known = await vscode.commands.getCommands();
    assert.deepEqual(
      named.filter((command) => !known.includes(command)),
      [],
    );
  },
};

exports.run = async function run() {
  for (const [name, check] of Object.entries(CASES)) {
    let error = '';
    try {
      await check();
    } catch (problem) {
      error = String(problem?.stack ?? problem);
    }
    appendFileSync(join(folder, 'results.jsonl'), `${JSON.stringify({ name, error })}\n`);
  }
};

async function open(name, text) {
  const uri = vscode.Uri.file(join(folder, name));
  await vscode.workspace.fs.writeFile(uri, Buffer.from(text));
  return vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
}

function put(editor, line, character) {
  editor.selection = new vscode.Selection(line, character, line, character);
}

/** What the scripted engine has done, see tests/scripted.py. */
function events(name) {
  const lines = readFileSync(journal, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).filter(({ event }) => event === name);
}

/** The language server's, among the children of the extension host. */
function serverProcess() {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => {
      try {
        const parent = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[1];
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return Number(parent) === process.pid && command.includes('infill-ls');
      } catch {
        return false;
      }
    });
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(holds, what) {
  const deadline = Date.now() + PATIENCE;
  while (!(await holds())) {
    if (Date.now() > deadline) {
      throw new Error(`waited in vain for ${what}`);
    }
    await pause(25);
  }
}
