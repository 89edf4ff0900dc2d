---infill-ls in Neovim. `:help infill` tells it all.
local M = {}

local started = false

---Options, if the defaults do not fit: see |infill-options|. Calling this is not needed.
---@param options? table<string, any>
function M.setup(options)
  require('infill.options').set(options)
  for _, name in ipairs(require('infill.options').unknown()) do
    vim.notify(('infill: there is no option "%s"'):format(name), vim.log.levels.WARN)
  end
  if not started then
    return
  end
  if require('infill.options').get().autostart then
    M.restart()
  else
    M.stop()
  end
end

---What plugin/infill.lua calls, unless `autostart` is off.
function M.start_by_itself()
  if not started and require('infill.options').get().autostart then
    M.start()
  end
end

---Start the server for the files of its types, open or to come.
function M.start()
  started = true
  require('infill.client').enable()
end

---End it.
function M.stop()
  started = false
  require('infill.client').disable()
end

---End it and start it anew.
function M.restart()
  started = true
  require('infill.client').restart()
end

---Accept the suggestion: all of it, its next word, or the rest of its line.
---@param piece? infill.Piece
---@return boolean whether there was one
function M.accept(piece)
  return require('infill.ghost').accept(piece)
end

---Show the next suggestion (1) or the one before (-1).
---@param step integer
---@return boolean whether there was one
function M.select(step)
  return require('infill.ghost').select(step)
end

---Hide the suggestion.
---@return boolean whether there was one
function M.dismiss()
  return require('infill.ghost').dismiss()
end

---Ask for a suggestion here and now.
---@return boolean whether there is a server to ask
function M.suggest()
  return require('infill.ghost').suggest()
end

---Whether a suggestion can be accepted now: for mappings that do something else if not.
---@return boolean
function M.is_visible()
  return require('infill.ghost').current() ~= nil
end

---Fill something in the buffer.
---@param what infill.What
---@param range? infill.Range default: the cursor, or what is selected
function M.fill(what, range)
  require('infill.fill').run(what, range)
end

---Stop what is being filled.
---@return boolean whether there was anything
function M.cancel()
  return require('infill.requests').cancel()
end

---For a status line: empty where no server serves the buffer.
---@return string
function M.statusline()
  return require('infill.status').line()
end

---The server's state, model and device for the current buffer.
---@return infill.Status?
function M.status()
  return require('infill.status').of(0)
end

return M
