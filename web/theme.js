// Sets the theme before the first paint, so that a dark page does not flash white. It is a classic script, since modules run later.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  /** @returns {string | null} The choice on an earlier visit. Storage may not be allowed. */
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
