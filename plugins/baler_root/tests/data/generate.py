"""Makes the ROOT files of this folder; needs ROOT 6.40 or newer (`pip install root`): python generate.py"""

from array import array

import ROOT

EVENTS = 7
NUMBERS = ["char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "Long64_t", "ULong64_t"]
NUMBERS += ["float", "double", "bool"]
NTUPLE = """
#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
void write_ntuple() {
  auto model = ROOT::RNTupleModel::Create();
  model->SetDescription("a tuple");
  auto number = model->MakeField<float>("number");
  auto byte = model->MakeField<std::uint8_t>("byte");
  auto text = model->MakeField<std::string>("text");
  auto pt = model->MakeField<std::vector<float>>("Jet_pt");
  auto eta = model->MakeField<std::vector<float>>("Jet_eta");
  auto nested = model->MakeField<std::vector<std::vector<std::int32_t>>>("nested");
  auto fixed = model->MakeField<std::array<float, 3>>("fixed");
  auto maybe = model->MakeField<std::optional<float>>("maybe");
  auto truncated = std::make_unique<ROOT::RField<float>>("truncated");
  truncated->SetTruncated(20);
  truncated->SetDescription("energy [GeV]");
  model->AddField(std::move(truncated));
  auto size = std::make_unique<ROOT::RField<ROOT::RNTupleCardinality<std::uint32_t>>>("nJet");
  model->AddProjectedField(std::move(size), [](const std::string &) { return "Jet_pt"; });
  auto px = std::make_unique<ROOT::RField<std::vector<float>>>("Jet_px");
  auto source = [](const std::string &name) { return name == "Jet_px" ? "Jet_pt" : "Jet_pt._0"; };
  model->AddProjectedField(std::move(px), source);

  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "Events", "ntuple.root");
  for (int i = 0; i < 7; i++) {
    *number = .5f * i;
    *byte = 200 + i;
    *text = "event " + std::to_string(i);
    pt->assign(i % 4, 1.5f * i);
    eta->assign(i % 4, -1.f * i);
    nested->assign(i % 3, std::vector<int>(i % 2, 7));
    *fixed = {1.f * i, 2, 3};
    if (i % 2) *maybe = 1.f; else maybe->reset();
    writer->Fill();
  }
}
"""


def write_tree() -> None:
    """collections.root: C++ collections, strings, leaf lists, split objects, Double32_t, an unsplit object."""
    file = ROOT.TFile("collections.root", "RECREATE")
    tree = ROOT.TTree("events", "C++ collections")
    flat = {t: ROOT.std.vector(t)() for t in [*NUMBERS, "string"]}
    nested = {t: ROOT.std.vector(ROOT.std.vector(t))() for t in ("float", "bool", "string")}
    deep = ROOT.std.vector(ROOT.std.vector(ROOT.std.vector("int")))()
    for kinds, prefix in ((flat, "v"), (nested, "vv")):
        for name, vector in kinds.items():
            tree.Branch(f"{prefix}_{name.replace(' ', '_')}", vector)
    tree.Branch("vvv_int", deep)
    text = ROOT.std.string()
    tree.Branch("text", text)
    count, pt, pair = array("B", [0]), array("f", [0.0] * 99), array("f", [0.0] * 2)
    tree.Branch("nJet", count, "nJet/b")
    tree.Branch("Jet_pt", pt, "Jet_pt[nJet]/F")
    corners = array("d", [0.0] * 99 * 4)
    tree.Branch("Jet_corners", corners, "Jet_corners[nJet][2][2]/D")
    tree.Branch("pair", pair, "x/F:y/F")
    clones = ROOT.TClonesArray("TVector3", 10)
    tree.Branch("points", clones)
    momentum = ROOT.TLorentzVector(1, 2, 3, 4)
    tree.Branch("momentum", momentum, 32000, 0)
    for event in range(EVENTS):
        for name, vector in flat.items():
            values = [f"s{i}" if name == "string" else i % 2 if name == "bool" else i + event for i in range(event % 3)]
            vector.assign(values)
        for name, vector in nested.items():
            vector.clear()
            for i in range(event % 4):
                vector.push_back(ROOT.std.vector(name)([f"t{j}" if name == "string" else j for j in range(i % 2)]))
        deep.clear()
        deep.resize(event % 2)
        for outer in deep:
            outer.resize(2)
            outer[1].push_back(event)
        text.assign("x" * 200 * (event % 3))
        count[0] = event % 5
        for i in range(count[0]):
            pt[i] = event + i / 8
            corners[4 * i : 4 * i + 4] = array("d", [event, i, 0.5, -i])
        pair[0], pair[1] = event, -event
        clones.Clear()
        for i in range(event % 3):
            clones.ConstructedAt(i).SetXYZ(event, i, event + i)
        tree.Fill()
    tree.Write()
    file.Close()


if __name__ == "__main__":
    write_tree()
    ROOT.gInterpreter.Declare(NTUPLE)
    ROOT.write_ntuple()
