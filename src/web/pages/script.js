"use strict";
// Everything works without this; it adds the choice of a theme, keys and refreshing.
(function () {
  var root = document.documentElement, themes = ["auto", "light", "dark"];
  function load(name) { try { return localStorage.getItem("corelane." + name); } catch (e) { return null; } }
  function save(name, value) { try { localStorage.setItem("corelane." + name, value); } catch (e) { /* private mode */ } }
  var theme = load("theme") || "auto";
  function paint() {
    if (theme === "auto") root.removeAttribute("data-theme"); else root.setAttribute("data-theme", theme);
    var button = document.getElementById("theme");
    if (button) button.textContent = theme === "auto" ? "Theme: auto" : theme === "dark" ? "Theme: dark" : "Theme: light";
  }
  function turn() { theme = themes[(themes.indexOf(theme) + 1) % 3]; save("theme", theme); paint(); }
  var live = load("live") === "on", timer = null;
  function refresh() {
    return fetch(location.href, { credentials: "same-origin" }).then(function (answer) {
      return answer.ok ? answer.text() : null;
    }).then(function (text) {
      var active = document.activeElement;
      if (!text || (active && active.matches("input,textarea,select"))) return;
      var fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
      var old = document.querySelector("main");
      if (fresh && old) { old.innerHTML = fresh.innerHTML; old.dispatchEvent(new Event("fresh")); }
    }).catch(function () { /* it may be restarting; the next one tells */ });
  }
  function schedule() {
    clearInterval(timer);
    timer = live ? setInterval(function () { if (!document.hidden) refresh(); }, 5000) : null;
    var button = document.getElementById("live");
    if (button) { button.textContent = live ? "Live: on" : "Live: off"; button.setAttribute("aria-pressed", String(live)); }
  }
  paint();
  document.addEventListener("DOMContentLoaded", function () {
    paint(); schedule();
    document.getElementById("theme").addEventListener("click", turn);
    document.getElementById("live").addEventListener("click", function () { live = !live; save("live", live ? "on" : "off"); schedule(); });
    document.addEventListener("change", function (event) {
      if (event.target.matches("select[data-go]")) event.target.form.submit();
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input,textarea,select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    var links = document.querySelectorAll("nav a"), at = event.key.charCodeAt(0) - 49;
    if (event.key === "/") {
      var search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "t") turn();
    else if (event.key === "r") refresh();
    else if (event.key === "n" || event.key === "p") {
      var link = document.querySelector(event.key === "n" ? "a[rel=next]" : "a[rel=prev]");
      if (link) link.click();
    } else if (event.key.length === 1 && at >= 0 && at < links.length) links[at].click();
  });
})();
