# Before `azd down`: deletes what costs money and fails if anything is left. See predown.mjs.
if (-not (Get-Command node -ErrorAction SilentlyContinue)) {
  Write-Error 'Node is not installed, so the endpoints of this installation cannot be deleted first.'
  exit 1
}
node (Join-Path $PSScriptRoot 'predown.mjs')
exit $LASTEXITCODE
