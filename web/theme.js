// Runs before the first paint, so that a page in the dark never flashes white. A classic script, since modules run later.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  /** @returns {string | null} What was chosen on an earlier visit; storage may be forbidden. */
  const stored = () => {
    try {
      return localStorage.getItem("pgat-theme");
    } catch {
      return null;
    }
  };

  const follow = () => {
    const choice = stored();
    root.dataset.theme = choice === "dark" || choice === "light" ? choice : dark.matches ? "dark" : "light";
  };

  follow();
  dark.addEventListener("change", follow);
})();
