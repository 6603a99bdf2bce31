"""Words of the generated sample: ten interests, their things, and the sentences people write about them."""

from __future__ import annotations

from typing import NamedTuple


class Interest(NamedTuple):
    """One pastime. Things are listed in the order in which people come to need them."""

    name: str
    things: tuple[str, ...]
    materials: tuple[str, str, str, str]  # natural, metal, modern, plain: tastes carry over from one pastime to another
    levels: tuple[str, str, str]  # easy to demanding
    uses: tuple[str, ...]
    aspects: tuple[str, ...]


INTERESTS = (
    Interest(
        "fishing",
        ("fishing rod", "spinning reel", "lure box", "landing net", "rod rest", "bait bucket", "fish scale",
         "line cutter"),
        ("bamboo", "aluminium", "carbon", "fibreglass"),
        ("pond size", "river size", "deep-sea size"),
        ("quiet mornings on the canal", "a week of pike and perch", "casting from the harbour wall",
         "night sessions after carp", "long waits by the weir"),
        ("grip in wet hands", "balance", "locking ring", "resistance to salt", "reach"),
    ),
    Interest(
        "pottery",
        ("throwing wheel", "clay cutter", "trimming tool", "banding turntable", "glaze brush", "drying rack",
         "kiln shelf", "texture roller"),
        ("beechwood", "steel", "rubber", "ceramic"),
        ("school grade", "studio grade", "master grade"),
        ("centring stubborn stoneware", "a batch of forty mugs", "thin porcelain bowls",
         "slip and sgraffito work", "our village raku day"),
        ("edge", "steadiness", "wheel head fit", "way it sheds clay", "handle"),
    ),
    Interest(
        "chess",
        ("chess set", "chess clock", "roll-up board", "score pad holder", "piece box", "chess table",
         "puzzle stand", "travel board"),
        ("walnut", "brass", "acrylic", "vinyl"),
        ("beginner size", "club size", "tournament size"),
        ("blitz at the kitchen table", "Thursday night league games", "working through rook endings",
         "teaching the Sicilian to my niece", "a long weekend open"),
        ("weight", "felt", "square contrast", "readability at a glance", "lid"),
    ),
    Interest(
        "synthesisers",
        ("mono synthesiser", "patch cable set", "step sequencer", "filter module", "keyboard stand",
         "drum machine", "rack case", "volume pedal"),
        ("cherrywood", "titanium", "polycarbonate", "plywood"),
        ("pocket format", "desktop format", "stage format"),
        ("slow ambient drones", "acid lines at midnight", "a live set in the cellar bar", "sampling old radios",
         "layering basses under a choir"),
        ("noise floor", "knob travel", "jack fit", "timing", "layout"),
    ),
    Interest(
        "astronomy",
        ("telescope", "star chart frame", "wide eyepiece", "moon filter", "tracking mount", "dew heater",
         "camera adapter", "guide scope"),
        ("mahogany", "magnesium", "composite", "canvas"),
        ("balcony class", "garden class", "observatory class"),
        ("splitting double stars", "Saturn at opposition", "faint galaxies from the moor",
         "a meteor night with the scouts", "lunar craters along the terminator"),
        ("sharpness at the rim", "focus lock", "stability in wind", "coating", "thread"),
    ),
    Interest(
        "baking",
        ("loaf tin", "proving basket", "dough scraper", "scoring blade", "baking stone", "pastry mat",
         "cooling rack", "flour sifter"),
        ("olive wood", "cast iron", "silicone", "stoneware"),
        ("weekend grade", "daily grade", "bakery grade"),
        ("wet sourdough", "braided milk bread", "rye with caraway", "croissants on a cold Sunday",
         "a stack of birthday sponges"),
        ("crust it gives", "heat spread", "cleaning", "rim", "release"),
    ),
    Interest(
        "cycling",
        ("pannier bag", "saddle", "handlebar grip", "front lamp", "tyre pump", "bottle cage", "repair stand",
         "chain brush"),
        ("leather", "alloy", "kevlar", "nylon"),
        ("city class", "touring class", "race class"),
        ("a wet commute", "gravel lanes and fords", "three passes in one day", "the school run with a trailer",
         "hundred-mile club rides"),
        ("clamp", "comfort after four hours", "waterproofing", "rattle-free fit", "strap"),
    ),
    Interest(
        "knitting",
        ("knitting needle set", "yarn bowl", "stitch counter", "swatch ruler", "row marker ring",
         "blocking board", "project bag", "yarn swift"),
        ("birchwood", "nickel", "resin", "cotton"),
        ("scarf set", "jumper set", "lace set"),
        ("a fair-isle yoke", "socks on the train", "cable cushions", "a featherweight shawl",
         "mittens for the whole street"),
        ("glide", "tip", "join", "printed scale", "feel over a long evening"),
    ),
    Interest(
        "gardening",
        ("hand trowel", "seed tray", "pruning knife", "watering can", "raised bed", "cold frame",
         "plant label set", "compost sieve"),
        ("ash wood", "copper", "recycled plastic", "terracotta"),
        ("window-box size", "allotment size", "estate size"),
        ("pricking out tomatoes", "a heavy clay border", "rows of early peas", "dividing old perennials",
         "a shady fern corner"),
        ("edge holding", "spout", "drainage", "joint", "weatherproofing"),
    ),
    Interest(
        "painting",
        ("sketch easel", "watercolour box", "flat brush", "palette", "canvas stretcher", "varnish brush",
         "brush roll", "picture ledge"),
        ("elm wood", "tin", "perspex", "linen"),
        ("student quality", "artist quality", "gallery quality"),
        ("skies in wet-on-wet", "portraits from life", "a harbour in oils", "quick studies in the park",
         "large abstract canvases"),
        ("spring", "hold on pigment", "tilt", "tension", "ferrule"),
    ),
)  # fmt: skip

COLOURS = ("forest green", "sky blue", "brick red", "charcoal", "cream", "mustard yellow")
BRANDS = ("Brindlecote", "Tarnwick", "Ostrivane", "Pellamoor", "Quillmarsh", "Harrowfen", "Velmorra", "Dunlethe")
FIRST_NAMES = ("Ada", "Bram", "Cleo", "Dov", "Elin", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lior", "Mei",
               "Nils", "Oona", "Pavel", "Rosa", "Sami", "Tilde", "Uma", "Vera", "Wim", "Yara", "Zeno")  # fmt: skip

DESCRIPTIONS = (
    "A dependable {thing} for {name}, made with {use} in mind. {Material} throughout, finished in {colour}.",
    "Finished in {colour}: our {material} {thing} is at home with {use}. Look out for the {aspect}. {Level}.",
    "{Level} {thing} from our {name} range. Chosen by people who enjoy {use}; praised for the {aspect}.",
)

OPENINGS = {
    "good": (
        "Bought this {thing} for {use} and it did all I asked of it.",
        "After two months of {use} I can say this {thing} earns its keep.",
        "Friends from {name} kept asking where this {thing} came from.",
        "I had doubts about ordering a {thing} unseen, but it suits {use} well.",
        "Third {thing} I have owned, and the first that makes {use} a pleasure.",
        "This {thing} has changed how I go about {use}.",
        "Arrived just in time for {use}; I have hardly put it down since.",
    ),
    "mixed": (
        "As a {thing} it is neither here nor there for {use}.",
        "I use this {thing} for {use}, with mixed feelings.",
        "There are better choices for {use}, there are worse ones too.",
        "It works, though {use} shows where corners were cut on this {thing}.",
        "Half of me likes this {thing}, the other half remembers {use}.",
    ),
    "bad": (
        "I wanted a {thing} for {use} and got a headache instead.",
        "This {thing} gave up during {use}.",
        "Whoever designed this {thing} has never tried {use}.",
        "Two outings of {use} were enough to put this {thing} in a drawer.",
        "For {use} I would rather borrow my neighbour's old {thing}.",
    ),
}
ASPECTS = {
    "good": (
        "The {aspect} is better than on things that cost twice as much.",
        "What stands out is the {aspect}.",
        "I was pleasantly surprised by the {aspect}.",
        "Somebody put real thought into the {aspect}.",
        "The {aspect} is a delight, and the {aspect2} is sound as well.",
        "Both the {aspect} and the {aspect2} please me every time.",
    ),
    "mixed": (
        "The {aspect} is fine, the {aspect2} less so.",
        "I could live with the {aspect} if the {aspect2} were improved.",
        "Nothing wrong with the {aspect}, nothing to write home about either.",
        "The {aspect} is merely average.",
    ),
    "bad": (
        "The {aspect} is hopeless.",
        "Do not expect much from the {aspect}; the {aspect2} is no better.",
        "I had to mend the {aspect} within a week.",
        "What spoils it is the {aspect}.",
        "The {aspect} is an afterthought and it shows.",
    ),
}
LIKES_MATERIAL = (
    "I keep coming back to {material}, it simply feels right.",
    "{Material} is what I look for first, and here it is done well.",
    "Being {material}, it ages the way I like.",
    "Give me {material} over anything else.",
)
DISLIKES_MATERIAL = (
    "{Material} is just not for me.",
    "I should have known that I do not get on with {material}.",
    "Had it not been {material} I might have been kinder.",
    "I will stay away from {material} in future.",
)
LIKES_COLOUR = (
    "The {colour} is exactly my taste.",
    "In {colour} it looks lovely.",
    "I am happy about the {colour} too; I own a lot of it.",
)
DISLIKES_COLOUR = (
    "The {colour} is hard on my eyes.",
    "Not my idea of a nice {colour}.",
    "I wish it came in anything but {colour}.",
)
TOO_EASY = (
    "I have outgrown {level} by now.",
    "{Level} is too simple for what I do these days.",
    "More of a beginner's choice than I had thought.",
)
TOO_HARD = (
    "{Level} asks more skill than I have so far.",
    "I am still new to this, and {level} was too big a step.",
    "Better suited to experts than to me.",
)
RIGHT_LEVEL = (
    "{Level} is where I am at the moment.",
    "{Level} was the right choice for me.",
    "It matches my present skill nicely.",
)
NEXT_THING = (
    "Next I am after a {next}.",
    "Now all I need is a good {next}.",
    "It would go well with a {next}, which is on my list.",
)
NEXT_INTEREST = (
    "My spare hours are going to {next} lately.",
    "Meanwhile I have caught the bug for {next}.",
    "A friend is drawing me into {next}, so more of that soon.",
)
CLOSINGS = {
    5: ("Could not be happier.", "Perfect, I would buy it again tomorrow.", "Love it.", "Wholeheartedly recommended."),
    4: ("Very good, with a little room to improve.", "Nearly perfect.", "Recommended.", "I am pleased with it."),
    3: ("It is all right.", "Average, all told.", "Decent, no more.", "Not sure I would choose it again."),
    2: (
        "Rather disappointing.",
        "I expected more for the money.",
        "Would not buy it again.",
        "Below what I am used to.",
    ),
    1: ("It went straight back.", "Terrible, avoid it.", "A waste of money.", "Worst purchase of my year."),
}
SUMMARIES = {
    5: ("Wonderful {thing}", "A joy for {name}", "Full marks: the {aspect}", "Best {thing} so far", "Superb {aspect}"),
    4: ("Good {thing}", "Solid choice for {name}", "Very nice {aspect}", "Pleased with this {thing}", "Nearly there"),
    3: ("An average {thing}", "Fine, but the {aspect}", "It does the job", "Mixed feelings", "So-so for {name}"),
    2: ("Let down by the {aspect}", "Disappointing {thing}", "Expected more", "Not great for {name}", "Poor {aspect}"),
    1: ("Avoid this {thing}", "Useless for {name}", "Sent it back", "Dreadful {aspect}", "Money wasted"),
}  # fmt: skip
