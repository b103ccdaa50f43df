// Runs before the first paint so that a stored theme never flashes; kept apart because the page allows no inline script.
(function applyStoredTheme() {
  try {
    const stored = localStorage.getItem('sabot.theme');
    if (stored === 'light' || stored === 'dark') document.documentElement.dataset.theme = stored;
  } catch {
    // Storage is blocked: the system's preference holds.
  }
})();
