// What the scripts of the page share: its state, the models of Bokeh, and helpers. Texts from files are only ever set as
// textContent.
"use strict";
const Geosoil = (() => {
  const $ = (id) => document.getElementById(id);
  const shared = {
    PANELS: ["a", "b"],
    about: null, // what the server says of the scene
    layers: new Map(), // by their keys
    documents: null, // the document of Bokeh
    page: { cursor: null, theme: "light", comparing: false, is_whole: true, chosen: {}, under: { a: "", b: "" }, colours: new Map() },
    $,
  };
  shared.model = (name) => shared.documents.get_model_by_name(name);
  shared.set = (target, values) => { // without telling the server, which need not know
    (typeof target === "string" ? shared.model(target) : target).setv(values, { sync: false });
  };
  shared.column = (source, name) => (source.data.get ? source.data.get(name) : source.data[name]);
  shared.element = (name, text = "", children = []) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    made.append(...children);
    return made;
  };
  shared.short = (value) => { // four digits
    if (value === null || value === undefined || !Number.isFinite(Number(value))) return "no data";
    return Number(Number(value).toPrecision(4)).toString().replace("-", "\u2212");
  };
  shared.with_unit = (text, unit) => (unit ? `${text} ${unit}` : text);
  shared.share = (fraction) => (fraction < 0.01 ? "under 1 %" : `${Math.round(100 * fraction)} %`);
  shared.is_picture = (key) => key.startsWith("picture:");
  shared.layer = (panel) => shared.layers.get(shared.page.chosen[panel]);
  shared.edges = () => {
    const x = shared.model("x_range"), y = shared.model("y_range");
    return [x.start, y.start, x.end, y.end];
  };
  return shared;
})();
