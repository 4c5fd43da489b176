// Keeps the page up to date. Without it, the page is as it was when it was loaded, and everything else works.
"use strict";
(() => {
  const address = document.body.dataset.events;
  const sign = document.getElementById("live");
  if (!address || !sign || !window.EventSource) return;

  // Makes one node like another, and leaves alone what the user has typed or opened.
  function follow(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(document.importNode(fresh, true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const ours = [...old.childNodes];
    const theirs = [...fresh.childNodes];
    theirs.forEach((child, n) => {
      if (n < ours.length) follow(ours[n], child);
      else old.append(document.importNode(child, true));
    });
    ours.slice(theirs.length).forEach((child) => child.remove());
  }

  // A form must not change under the hand that is about to press its button.
  function isInUse(region) {
    return region.querySelector("form") && (region.matches(":hover") || region.contains(document.activeElement));
  }

  function show(html) {
    const news = new DOMParser().parseFromString(html, "text/html");
    for (const fresh of news.querySelectorAll("[data-live]")) {
      const old = document.getElementById(fresh.id);
      if (!old || isInUse(old)) continue;
      const children = [...fresh.childNodes];
      const box = old.cloneNode(false);
      box.append(...children.map((child) => document.importNode(child, true)));
      follow(old, box);
    }
  }

  let source = null;
  let lost = 0;
  let silent = 0;
  const state = document.createElement("span");
  const button = document.createElement("button");
  button.type = "button";
  sign.append(state, button);
  sign.hidden = false;

  function say(text, kind) {
    if (state.textContent !== text) state.textContent = text;
    sign.className = `live ${kind}`;
  }

  function open() {
    button.textContent = "Pause updates";
    say("Connecting", "off");
    source = new EventSource(address);
    source.onmessage = (event) => {
      clearTimeout(lost);
      lost = 0;
      clearTimeout(silent);
      // Something is new at least each second, unless the store can't be read.
      silent = setTimeout(() => say("No news: the store may be away", "off"), 20000);
      say("Live", "on");
      show(event.data);
    };
    source.onerror = () => {
      // A stream ends now and then, and the next one begins at once.
      if (!lost) lost = setTimeout(() => say("Not connected", "off"), 5000);
      if (source.readyState === EventSource.CLOSED) {
        say("Not connected: reload the page", "off");
      }
    };
  }

  function close() {
    source.close();
    source = null;
    clearTimeout(silent);
    clearTimeout(lost);
    lost = 0;
    button.textContent = "Resume updates";
    say("Paused", "off");
  }

  button.addEventListener("click", () => (source ? close() : open()));
  // A page that nobody sees needs nothing.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && source) {
      source.close();
    } else if (!document.hidden && source) {
      open();
    }
  });
  window.addEventListener("pagehide", () => source && source.close());
  open();
})();
