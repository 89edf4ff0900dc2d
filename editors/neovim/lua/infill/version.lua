---Plugin and server are released together: whether those two belong to each other.
local M = {}

-- As in pyproject.toml, which a test compares.
M.OURS = '0.1.0'

---While the first number is 0 the second one stands for incompatible changes, as in semver.
---@param version string
---@return string
local function series(version)
  local major, minor = version:match('^(%d+)%.(%d+)')
  return major == '0' and ('0.%s'):format(minor) or tostring(major)
end

---@param theirs? string
---@return boolean
function M.fits(theirs)
  return theirs ~= nil and series(theirs) == series(M.OURS)
end

---What is wrong with a server of version `theirs`; nothing for one that fits.
---@param theirs? string
---@return string?
function M.fault(theirs)
  if not M.fits(theirs) then
    local message = 'this plugin is version %s and the server is %s: take both from one release'
    return message:format(M.OURS, theirs or 'of an unknown version')
  end
end

return M
