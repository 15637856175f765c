// Runs before the first paint: the theme that was chosen last time, if the system's own was not wanted.
try {
  const chosen = localStorage.getItem("nextword-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage is switched off: the system's theme it is.
}
