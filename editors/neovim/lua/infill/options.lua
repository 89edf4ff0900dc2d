---What a user can choose here; what the server does is under `settings`.
local M = {}

---@class infill.Options
---@field cmd string[] The command that starts the server.
---@field cli? string[] The command for `:Infill stats` and the like; default: `cmd`'s first word.
---@field filetypes string[]
---@field root_markers string[] What marks the top of a project.
---@field settings table<string, any> `infill.*` of the server: see docs/settings.md.
---@field inline 'auto'|'builtin'|'own'|false Who draws ghost text; `false` for no ghost text.
---@field accept_key string|false In insert mode, where nothing else is mapped to it: accepts.
---@field canvas boolean Show a fill sharpen where it will stand, while a code action runs.
---@field cancel_key string|false In normal mode, and only while a fill runs.
---@field autostart boolean Start the server for `filetypes` without being told to.

---@type infill.Options
local DEFAULTS = {
  cmd = { 'infill-ls' },
  filetypes = {
    'bash',
    'c',
    'cpp',
    'css',
    'go',
    'html',
    'java',
    'javascript',
    'javascriptreact',
    'json',
    'jsonc',
    'lua',
    'python',
    'ruby',
    'rust',
    'sh',
    'typescript',
    'typescriptreact',
  },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'Cargo.toml', 'go.mod' },
  settings = {},
  inline = 'auto',
  accept_key = '<M-l>',
  canvas = true,
  cancel_key = '<Esc>',
  autostart = true,
}

---@type table<string, any>
local given = {}

---Keep what setup() was given, over `vim.g.infill` and the defaults.
---@param options? table<string, any>
function M.set(options)
  given = options or {}
end

---@return infill.Options
function M.get()
  return vim.tbl_extend('force', DEFAULTS, vim.g.infill or {}, given)
end

---Names in what the user gave that mean nothing.
---@return string[]
function M.unknown()
  local known = vim.tbl_extend('force', { cli = true }, DEFAULTS)
  local names = {}
  for name in pairs(vim.tbl_extend('force', vim.g.infill or {}, given)) do
    if known[name] == nil then
      table.insert(names, name)
    end
  end
  table.sort(names)
  return names
end

---Whether Neovim's own inline completion draws the ghost text.
---@return boolean
function M.uses_builtin()
  local inline = M.get().inline
  return (inline == 'auto' or inline == 'builtin') and vim.lsp.inline_completion ~= nil
end

---The command that runs `infill-ls SUBCOMMAND`.
---@param ... string
---@return string[]
function M.cli(...)
  local options = M.get()
  return vim.list_extend(vim.list_slice(options.cli or { options.cmd[1] }), { ... })
end

return M
