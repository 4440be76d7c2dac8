"""The text that headers of .bal files are likely to hold, which their compression knows from the start."""

from __future__ import annotations

from typing import Final

# Files cannot be read with another text than they were written with: a change here is a new format version.
# What is most likely stands last, where references to it are shortest.
_FITS: Final = (
    "SIMPLE  =                    T / file does conform to FITS standard             "
    "XTENSION= 'BINTABLE'           / binary table extension                         "
    "XTENSION= 'IMAGE   '           / IMAGE extension                                "
    "BITPIX  =                  -32 / number of bits per data pixel                  "
    "BITPIX  =                    8 / 8-bit bytes                                    "
    "NAXIS   =                    2 / number of data axes                            "
    "NAXIS   =                    2 / 2-dimensional binary table                     "
    "NAXIS1  =                 1024 / length of data axis 1                          "
    "NAXIS2  =                 1024 / length of data axis 2                          "
    "NAXIS1  =                  100 / width of table in bytes                        "
    "NAXIS2  =                 1000 / number of rows in table                        "
    "PCOUNT  =                    0 / size of special data area                      "
    "GCOUNT  =                    1 / one data group (required keyword)              "
    "TFIELDS =                   10 / number of fields in each row                   "
    "TTYPE1  = 'TIME    '           / label for field   1                            "
    "TFORM1  = 'D       '           / data format of field: 8-byte DOUBLE            "
    "TFORM2  = 'E       '           / data format of field: 4-byte REAL              "
    "TUNIT1  = 's       '           / physical unit of field                         "
    "EXTEND  =                    T / FITS dataset may contain extensions            "
    "COMMENT   FITS (Flexible Image Transport System) format is defined in 'Astronomy"
    "COMMENT   and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H "
    "BSCALE  =                  1.0 / REAL = TAPE*BSCALE + BZERO                     "
    "BZERO   =              32768.0 / offset data range to that of unsigned short    "
    "BUNIT   = 'Jy/beam '           / "
    "CTYPE1  = 'RA---TAN'           / CRPIX1  =                      CRVAL1  =                      "
    "CDELT1  =                      CTYPE2  = 'DEC--TAN'           / CRPIX2  =                      "
    "CRVAL2  =                      CDELT2  =                      CD1_1   =                      "
    "EQUINOX =               2000.0 / RADESYS = 'FK5     '           / OBJECT  = '"
    "TELESCOP= '        '           / INSTRUME= '        '           / DATE-OBS= '2000-01-01T00:00:00' / "
    "EXPTIME =                      HISTORY ORIGIN  = 'CREATOR = 'FILENAME= 'END"
)
_NETCDF: Final = (
    '{"name":"CLASS","type":{"text":16,"utf8":false,"pad":0},"value":["DIMENSION_SCALE"]},'
    '{"name":"NAME","type":{"text":64,"utf8":false,"pad":0},'
    '"value":["This is a netCDF dimension but not a netCDF variable.         0"]},'
    '{"name":"_Netcdf4Dimid","type":"<i4","value":[0]},{"name":"_Netcdf4Coordinates","type":"<i4","shape":[3],'
    '{"name":"_NCProperties","type":{"text":null,"utf8":false,"pad":0},"value":["version=2,netcdf=4.9.0,hdf5=1.12.1"]},'
    '{"name":"REFERENCE_LIST","type":{"compound":[["dataset",0,{"reference":"object"}],["dimension",8,"<i4"]],"size":16},'
    '{"name":"DIMENSION_LIST","type":{"vlen":{"reference":"object"}},"shape":[3],"value":[['
    '{"name":"long_name","type":{"text":11,"utf8":false,"pad":0},"value":["Temperature"]},'
    '{"name":"standard_name","type":{"text":11,"utf8":false,"pad":0},"value":["air_temperature"]},'
    '{"name":"units","type":{"text":5,"utf8":false,"pad":0},"value":["degC"]},"degrees_north","degrees_east","m s-1",'
    '"hours since 1900-01-01 00:00:00.0","days since 0001-01-01 00:00:00","gregorian","noleap","calendar","axis",'
    '"cell_methods","time: mean","Conventions","CF-1.5","history","institution","source","title","references",'
    '{"name":"_FillValue","type":"<f4","value":[9.969209968386869e+36]},{"name":"missing_value",'
    '{"name":"coordinates","latitude","longitude","level","pressure","depth","bounds","time_bnds","lat_bnds","lon_bnds",'
    '"attributes":{"type":"int64","order":3,"layout":"chunked","maxshape":[null],"chunks":[1],"filters":["gzip",4],"variables":{},'
    '"title":["Latitude","Longitude"],"units":["degrees_north"],"fill":[[9.969209968386869e+36]],"packing":[1.0,0.0],'
    '"axes":{"time":"time","lat":"y","lon":"x","level":"z"}}'
)
_PARTICLES: Final = (
    "Mass-decorrelated tagger vs light flavour discriminator raw output working point cut-based ID bitmap, MVA ID score WP80 WP90 V2 "
    "bitmask 1 = VLoose, 2 = Loose, 4 = Medium, 8 = Tight, 16 = VTight, 32 = VVTight, flags bit1 is loose, bit2 is tight, "
    "Trigger/flag bit selection slimmedElectrons slimmedMuons slimmedJets slimmedTaus after basic selection, "
    "index of the associated electron muon photon tau jet genParticle (-1 if none), index of first matching muon, "
    "PDG code, electric charge, status, number of layers in the tracker, number of degrees of freedom, missing inner hits, "
    "main primary vertex position x coordinate, secondary vertex Z position, decay length significance, chi2, "
    "PF relative isolation dR=0.3, mini PF relative isolation, charged component, (with rho*EA PU corrections), total "
    "(deltaBeta corrections), Tracker-based isolation, delta R cone of 0.3 with pt > 35 GeV, "
    "3D impact parameter significance wrt first PV, in cm, dxy (with sign) wrt first PV, dz uncertainty, in cm, "
    "energy error of the cluster from regression, supercluster, pt correction for b-jet energy regression, "
    "charged Hadron Energy Fraction, neutral Electromagnetic Energy Fraction, number of particles in the jet, raw pt, area, "
    "DeepCSV b-tag discriminator, DeepJet, Nsubjettiness, soft drop mass, jet energy corrections (JECs), scalar sum of Et, "
    "interpretation from MC truth, hadron flavour, parton flavour, invariant mass, transverse momentum, pseudorapidity, "
    "_jetIdx _genPartIdx _genPartFlav _electronIdx1 _muonIdx1 _pfRelIso03_all _pfRelIso03_chg _miniPFRelIso_all _tightCharge "
    "_cutBased _mvaId _looseId _mediumId _tightId _softId _isGlobal _isTracker _isPFcand _nStations _nTrackerLayers "
    "_ip3d _sip3d _dxyErr _dzErr _ptErr _energyErr _pdgId _charge _hoe _r9 _sieie _lostHits _convVeto _cleanmask "
    "_btagCSVV2 _btagDeepB _btagDeepC _btagDeepFlavB _qgl _puId _jetId _nConstituents _nMuons _nElectrons _area _rawFactor "
    "_chHEF _neHEF _chEmEF _neEmEF _muEF _hadronFlavour _partonFlavour _genJetIdx _bRegCorr _bRegRes _msoftdrop _tau1 "
    "GenPart_ genPartIdxMother statusFlags FatJet_ SubJet_ Electron_ Photon_ Tau_ MET_ PV_ SV_ HLT_ L1_ TrigObj_filterBits "
    "Muon_pt Muon_eta Muon_phi Muon_mass Jet_pt Jet_eta Jet_phi Jet_mass"
)
_FORMATS: Final = (
    '"reader":["fits",{},"baler-fits","0.1.0"],"dims":[["y","x"],"skeleton":{"gzip":false,"hdus":[{"header":"'
    '"reader":["netcdf",{},"baler-hdf5","0.1.0"],"dims":[["time","lat","lon"],"skeleton":{"format":"netcdf3",'
    '"reader":["hdf5",{},"baler-hdf5","0.1.0"],"dims":[["dim0","dim1","dim2"],"skeleton":{"format":"hdf5",'
    '"entries":{"\\u0000columns":{"path":["","u","v","w","p"],"kind":["group","\\u0000absent","\\u0000absent"],'
    '"attributes":[[{"name":"source","type":{"text":null,"utf8":true,"pad":0},"value":[""]}],"\\u0000absent"],'
    '"type":["\\u0000absent","<f8","<f4"],"shape":["\\u0000absent",[3,128,128],'
    '"reader":["csv",{},"baler-core","0.1.0"],"dims":[["row"],"skeleton":{"dialect":{"newline":"\\r","final_newline":false,'
    '"separator":";","padding":" ","comment":"","preamble":"# ","header":["id"],"header":true},"columns":[[3,"r"],[1,"d"],[2,".6f"],'
    '[1,".10G"],[1,"j nan"],[1,"J"]]}}'
    '"reader":["npz",{},"baler-core","0.1.0"],"dims":[["dim0","dim1","dim2"],"skeleton":{"arrays":{"\\u0000columns":{"name":['
    '"descr":["<f8","<f4"],"shape":[[60,50,50],[0]],"fortran":[false,false]}},"compressed":false}}'
    '"reader":["root",{},"baler-root","0.1.0"],"dims":[["entry","nJet","nMuon"],'
    '"skeleton":{"kind":"TTree","tree":"Events","title":"","compression":null["ZLIB",4],["LZMA",9],["LZ4",4],["ZSTD",5],'
    '"titles":["%n/%t","%n%c%s/%t"],"titles":["","%n"],"made_up":{"nV0s":"V0s"},"odd":{"event":{"title":"event/l"}}}}'
)
_MODELS: Final = (
    '["predictive",{},"baler-core","0.1.0"]["exact",{},"baler-core","0.1.0"]["scalar",{},"baler-core","0.1.0"]'
    '["transform",{},"baler-core","0.1.0"]["table",{},"baler-core","0.1.0"]["bits",{"effort":"fast"}{"effort":"balanced"}'
)
_FRAME: Final = (
    '{"baler":"0.1.0","input":["data.h5",1000000,1000000],"reader":["","dims":[["time","y","x"],[100,128,128]],"counts":{},'
    '"variables":[{"key":"u","form":"<f4","dims":[0,1,2],"units":"m/s","title":""}],'
    '"variables":{"\\u0000columns":{"key":["u","v","p"],"form":["<f4","<f4","<f8","<i4","<i8","|b1","str"],'
    '"dims":[[0,1,2],[0,1,2],[0,1,2]]}},"dims":[0,0,0,0,0,0,0,0,0,0,0,0,0,0]}},'
    '"bounds":[[1,["lossless",0.0]],[1,["abs",0.001]],[1,["rel",0.01]],[1,["range",0.001]]],'
    '"tolerances":[[1,["exact",0.0,0.0]],[1,["rel",0.001,0.0]],[1,["abs",0.00064,0.0]]],"preprocess":[],'
    '"groups":[["table",[[0,1]],[["table",{},"baler-core","0.1.0"]],[1]],["other",[[1,1]],[["exact",{},"baler-core","0.1.0"]],[2]],'
    '["grid",[[0,1]],[["transform",{},"baler-core","0.1.0"]],[1]]],'
    '"blocks":[0,[[1,[[0,1,2],[0,0,0],{"entry":1000,"row":1000}]]]],"blocks":[0,[[1,[[0],[0],{"dim0":60,"dim1":50}]]]],'
    '"errors":[[[0,1]],[0.00065,0.0001],[1.0,1.0,0.99,1.0]],"skeleton":{'
)
WORDS: Final = (_FITS + _NETCDF + _PARTICLES + _FORMATS + _MODELS + _FRAME).encode()
